/** Small steps on files and folders of pools. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault, messageOf } from "#base/errors.ts";

export async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

/** Names in a folder, sorted; none if there is no such folder. */
export async function entries(path: HostPath): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).toSorted();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

export async function isEmptyDirectory(path: HostPath): Promise<boolean> {
  for await (const _entry of Deno.readDir(path)) return false;
  return true;
}

/** Absent is no error. */
export async function removeTree(path: HostPath): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(ifThere);
}

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

/** metadata.yaml and templates/ of an image, instance or snapshot. */
export async function copyMetadata(source: HostPath, target: HostPath): Promise<void> {
  await Deno.copyFile(`${source}/metadata.yaml`, `${target}/metadata.yaml`).catch(ifThere);
  for (const name of await entries(hostPath(`${source}/templates`))) {
    await Deno.mkdir(`${target}/templates`, { recursive: true, mode: 0o700 });
    await Deno.copyFile(`${source}/templates/${name}`, `${target}/templates/${name}`);
  }
}

function ifThere(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
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
