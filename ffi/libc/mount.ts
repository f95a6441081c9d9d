/** Mounts through the mount API of Linux 5.12+. Synchronous on purpose: errno belongs to the thread. */
import type { Fd, HostPath } from "#base/brand.ts";
import { ERRNO, SysError } from "#base/errors.ts";
import { AT_FDCWD, O, OwnedFd } from "./fd.ts";
import { check, cstring, lastErrno, libc } from "./open.ts";
import { SYS } from "./raw.ts";

// From <linux/mount.h> and <sys/mount.h>.
const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = O.CLOEXEC;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MNT_DETACH = 2;
export const MOUNT_ATTR = { RDONLY: 1n, IDMAP: 0x100000n } as const;

/**
 * A detached copy of the mount at `path`; `recursive` takes what is mounted below it too.
 *
 * @throws {SysError} ENOENT with the path. @see open_tree(2)
 */
export function cloneTree(path: string, options: { recursive?: boolean } = {}): OwnedFd {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (options.recursive ? AT_RECURSIVE : 0);
  const result = libc().syscall(
    BigInt(SYS.open_tree),
    BigInt(AT_FDCWD),
    cstring(path),
    BigInt(flags),
    null,
    0n,
  );
  return new OwnedFd(check(result, "open_tree", `"${path}"`));
}

/** mount_setattr(2) on a tree from cloneTree, without what is mounted below it. */
function setMountAttributes(
  tree: OwnedFd,
  set: bigint,
  options: { readonly userNamespace?: Fd; readonly recursive?: boolean } = {},
): void {
  // struct mount_attr: attr_set, attr_clr, propagation, userns_fd
  const attr = new BigUint64Array([set, 0n, 0n, BigInt(options.userNamespace ?? 0)]);
  const result = libc().syscall(
    BigInt(SYS.mount_setattr),
    BigInt(tree.fd),
    cstring(""),
    BigInt(AT_EMPTY_PATH | (options.recursive === true ? AT_RECURSIVE : 0)),
    new Uint8Array(attr.buffer),
    BigInt(attr.byteLength),
  );
  check(result, "mount_setattr");
}

/** Map the ids of a tree through a user namespace. @throws {SysError} EINVAL if the file system can't. */
export function idmapTree(tree: OwnedFd, userNamespace: Fd): void {
  setMountAttributes(tree, MOUNT_ATTR.IDMAP, { userNamespace });
}

/** Attach a detached mount at `target`. */
export function attachTree(tree: OwnedFd, target: HostPath): void {
  const result = libc().syscall(
    BigInt(SYS.move_mount),
    BigInt(tree.fd),
    cstring(""),
    BigInt(AT_FDCWD),
    cstring(target),
    BigInt(MOVE_MOUNT_F_EMPTY_PATH),
  );
  check(result, "move_mount", `"${target}"`);
}

/**
 * Bind `source` on `target`, both of which are there; `recursive` takes the mounts below it too,
 * `readOnly` is of this mount alone.
 *
 * @throws {SysError} ENOENT with the path that is missing.
 */
export function bindMount(
  source: string,
  target: HostPath,
  options: { readonly recursive?: boolean; readonly readOnly?: boolean } = {},
): void {
  using tree = cloneTree(source, { recursive: options.recursive ?? false });
  if (options.readOnly === true) {
    setMountAttributes(tree, MOUNT_ATTR.RDONLY, { recursive: options.recursive ?? false });
  }
  attachTree(tree, target);
}

/** Detach what is mounted on `target`. @returns false if nothing was mounted or it does not exist. */
export function detach(target: HostPath): boolean {
  if (libc().umount2(cstring(target), MNT_DETACH) === 0) return true;
  const errno = lastErrno();
  if (errno === ERRNO.EINVAL || errno === ERRNO.ENOENT) return false;
  throw new SysError("umount", errno, `"${target}"`);
}

/**
 * detach() off the event loop: the end of a writable overlay writes out the file system below it,
 * which takes milliseconds to seconds.
 */
export async function detachAside(target: HostPath): Promise<boolean> {
  if (await libc().umount2_aside(cstring(target), MNT_DETACH) === 0) return true;
  return detach(target); // Asked again: the error of another thread is lost.
}

/** Type of the file system at `path`, its f_type magic. @see statfs(2) */
export function filesystemMagic(path: string): number {
  const buffer = new BigUint64Array(16);
  check(libc().statfs(cstring(path), new Uint8Array(buffer.buffer)), "statfs", `"${path}"`);
  return Number(buffer[0]);
}
