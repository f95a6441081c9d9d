/**
 * Subvolumes, with those nested in them: containers make their own. A nested subvolume keeps its
 * read-only property in snapshots and copies.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import { entries, exists } from "#daemon/host/files.ts";
import { run } from "#daemon/host/run.ts";
import { childSubvolumes, isReadOnlySubvolume, setReadOnlySubvolume } from "#ffi/libc/btrfs.ts";
import { filesystemMagic } from "#ffi/libc/mount.ts";

const BTRFS_MAGIC = 0x9123683e;
/** Inode of the root of every subvolume. */
const ROOT_INODE = 256;

/** Run btrfs(8). @throws {Fault} no_space if that is why it failed. */
export async function btrfs(...args: readonly string[]): Promise<string> {
  try {
    return await run(["btrfs", ...args]);
  } catch (error) {
    throw error instanceof ExecError ? faultOf(error) ?? error : error;
  }
}

/** What a failure means; undefined: nothing that is known. Pure. */
export function faultOf(error: ExecError): Fault | undefined {
  if (!/No space left|quota exceeded/i.test(error.stderrTail)) return undefined;
  return new Fault("no_space", "no space left on the storage pool", { cause: error });
}

/** false for what is not there. @see statfs(2), f_type */
export async function isBtrfs(path: string): Promise<boolean> {
  return await exists(path) && filesystemMagic(path) === BTRFS_MAGIC;
}

/** On a btrfs: the root of a subvolume has inode 256. */
export async function isSubvolume(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(
    ({ ino, isDirectory }) => isDirectory && ino === ROOT_INODE,
    () => false,
  );
}

/** @throws {Fault} no_space; {ExecError} if something is there already */
export async function createSubvolume(path: HostPath, mode = 0o711): Promise<void> {
  await btrfs("subvolume", "create", path);
  await Deno.chmod(path, mode);
}

/** Paths of all subvolumes below one, relative to it, parents before children. */
export function nestedSubvolumes(path: HostPath): string[] {
  return childSubvolumes(path).toSorted().flatMap((child) => [
    child,
    ...nestedSubvolumes(hostPath(`${path}/${child}`)).map((deeper) => `${child}/${deeper}`),
  ]);
}

/** A snapshot of a subvolume and of all that are nested in it. The target itself may be read-only. */
export async function snapshotTree(
  source: HostPath,
  target: HostPath,
  options: { readonly isReadOnly: boolean },
): Promise<void> {
  const nested = nestedSubvolumes(source);
  const readOnly = options.isReadOnly && nested.length === 0 ? ["-r"] : [];
  await btrfs("subvolume", "snapshot", ...readOnly, source, target);
  try {
    for (const child of nested) {
      // An empty directory stands where a nested subvolume was.
      await Deno.remove(`${target}/${child}`);
      await btrfs("subvolume", "snapshot", `${source}/${child}`, `${target}/${child}`);
    }
    // Children may still be put into their parents until here.
    for (const child of nested.toReversed()) {
      if (isReadOnlySubvolume(`${source}/${child}`)) {
        setReadOnlySubvolume(`${target}/${child}`, true);
      }
    }
    if (options.isReadOnly && nested.length > 0) setReadOnlySubvolume(target, true);
  } catch (error) {
    await deleteTree(target);
    throw error;
  }
}

/** A subvolume with all in it, or a plain directory with subvolumes in it. Absent is no error. */
export async function deleteTree(path: HostPath): Promise<void> {
  if (!await exists(path)) return;
  if (!await isSubvolume(path)) {
    for (const name of await entries(path)) {
      const child = hostPath(`${path}/${name}`);
      if (await isSubvolume(child)) await deleteTree(child);
      else if ((await Deno.lstat(child)).isDirectory) await deleteTree(child);
      else await Deno.remove(child);
    }
    return await Deno.remove(path);
  }
  const nested = nestedSubvolumes(path);
  for (const one of [path, ...nested.map((child) => hostPath(`${path}/${child}`))]) {
    if (isReadOnlySubvolume(one)) setReadOnlySubvolume(one, false);
  }
  for (const child of nested.toReversed()) {
    await btrfs("subvolume", "delete", `${path}/${child}`);
  }
  await btrfs("subvolume", "delete", path);
}

/** Decimal, as qgroups have it behind "0/". */
export async function subvolumeId(path: HostPath): Promise<string> {
  return (await btrfs("inspect-internal", "rootid", path)).trim();
}
