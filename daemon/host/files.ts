/** Small steps on files and folders of the host, most of them on what may be absent. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault, messageOf } from "#base/errors.ts";

/** Also true of a link to nowhere; false if it can't be told, as in a folder that may not be seen. */
export async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

/** For `.catch()`: what is not there is no error. @throws Any other error, as it came */
export function ifThere(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** The text of a file; undefined if there is none. One that can't be read is an error, not absent. */
export async function readIfThere(path: string | URL): Promise<string | undefined> {
  return await Deno.readTextFile(path).catch(ifThere);
}

/** Names in a folder, sorted; none if there is no such folder. */
export async function entries(path: string): Promise<string[]> {
  const found = await Array.fromAsync(Deno.readDir(path)).catch(ifThere);
  return (found ?? []).map(({ name }) => name).toSorted();
}

/** @throws {Deno.errors.NotFound} if there is no such folder. */
export async function isEmptyDirectory(path: HostPath): Promise<boolean> {
  for await (const _entry of Deno.readDir(path)) return false;
  return true;
}

/** A file or an empty folder; absent is no error. */
export async function removeIfThere(path: string): Promise<void> {
  await Deno.remove(path).catch(ifThere);
}

/** With all that is in it; absent is no error. */
export async function removeTree(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(ifThere);
}

/** A folder that others may still use: it stays then, and that is no error. */
export async function removeIfEmpty(path: HostPath): Promise<void> {
  await Deno.remove(path).catch(() => undefined); // Ignored: it is in use or gone.
}

/** All folders below a path that hold no file; itself stays. Absent is no error. */
export async function removeEmptyFolders(path: HostPath): Promise<void> {
  for (const name of await entries(path)) {
    const folder = hostPath(`${path}/${name}`);
    if (!(await Deno.lstat(folder)).isDirectory) continue;
    await removeEmptyFolders(folder);
    await removeIfEmpty(folder);
  }
}

/** Of folders that there may be. */
export async function renameIfThere(from: string, to: string): Promise<void> {
  await Deno.rename(from, to).catch(ifThere);
}

const EFBIG = /\(os error 27\)/;

/** Cut a file, or let it grow by a hole. @throws {Fault} bad_request if its file system has no such size */
export async function setFileSize(path: HostPath, bytes: number): Promise<void> {
  try {
    await Deno.truncate(path, bytes);
  } catch (error) {
    // A number beyond 63 bits is refused before the kernel sees it.
    if (!(error instanceof TypeError) && !EFBIG.test(messageOf(error))) throw error;
    throw new Fault("bad_request", `no file can have ${bytes} bytes here`, {
      cause: error,
      hint: "Give a smaller size: the pool's file system sets the limit.",
    });
  }
}
