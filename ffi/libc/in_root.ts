/**
 * Paths inside a container are hostile: each is resolved from a held root directory with
 * RESOLVE_IN_ROOT, so that no symbolic link or ".." leads out. @see openat2(2)
 */
import type { Fd, GuestPath } from "#base/brand.ts";
import { O, OwnedFd } from "./fd.ts";
import { check, cstring, libc, syscallOpenat2 } from "./open.ts";
import { SYS } from "./raw.ts";

const RESOLVE_NO_MAGICLINKS = 2n;
const RESOLVE_BENEATH = 8n;
const RESOLVE_IN_ROOT = 16n;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;

/** open below `root` as the container would see the path. @throws {SysError} */
export function openInRoot(root: Fd, path: GuestPath, flags: number, mode = 0): OwnedFd {
  return openat2(root, path, howInRoot(flags, mode));
}

function howInRoot(flags: number, mode = 0): BigUint64Array<ArrayBuffer> {
  return new BigUint64Array([
    BigInt(flags | O.CLOEXEC),
    BigInt(mode),
    RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
  ]);
}

/** Is there something of this name, as the container would see the path? */
export function existsInRoot(root: Fd, path: GuestPath): boolean {
  const found = tryOpenat2(root, path, howInRoot(O.PATH));
  if (found >= 0) libc().close(Number(found));
  return found >= 0;
}

/** open below `root`; a link or ".." that leads out is an error (EXDEV). @throws {SysError} */
export function openBeneath(root: Fd, path: string, flags: number): OwnedFd {
  const how = new BigUint64Array([
    BigInt(flags | O.CLOEXEC),
    0n,
    RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
  ]);
  return openat2(root, path, how);
}

function openat2(root: Fd, path: string, how: BigUint64Array<ArrayBuffer>): OwnedFd {
  return new OwnedFd(check(tryOpenat2(root, path, how), "open", `"${path}"`));
}

/** A descriptor, or negative. */
function tryOpenat2(root: Fd, path: string, how: BigUint64Array<ArrayBuffer>): bigint {
  return syscallOpenat2()(
    BigInt(SYS.openat2),
    BigInt(root),
    cstring(path),
    new Uint8Array(how.buffer),
    BigInt(how.byteLength),
  );
}

/** The directory that holds the last part of `path`, and that part. Root itself has the name "." */
export function openParent(
  root: Fd,
  path: GuestPath,
): { readonly directory: OwnedFd; readonly name: string } {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  const name = parts.pop() ?? ".";
  if (name === "..") return { directory: openInRoot(root, path, O.PATH | O.DIRECTORY), name: "." };
  const parent = (parts.length === 0 ? "." : parts.join("/")) as GuestPath;
  return { directory: openInRoot(root, parent, O.PATH | O.DIRECTORY), name };
}

/** `name` is one part, never a path. @throws {SysError} EEXIST also for a link. @see mkdir(2) */
export function makeDirectoryAt(directory: Fd, name: string, mode: number): void {
  check(libc().mkdirat(directory, cstring(name), mode), "mkdir", `"${name}"`);
}

/** Owner of an entry, links not followed. */
export function changeOwnerAt(directory: Fd, name: string, uid: number, gid: number): void {
  check(
    libc().fchownat(directory, cstring(name), uid, gid, AT_SYMLINK_NOFOLLOW),
    "chown",
    `"${name}"`,
  );
}

/** Owner of what the descriptor is open on. */
export function changeOwner(file: Fd, uid: number, gid: number): void {
  check(libc().fchownat(file, cstring(""), uid, gid, AT_EMPTY_PATH), "chown");
}
