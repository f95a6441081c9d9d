/** Questions to a btrfs that are answered at once. @see <linux/btrfs.h> */
import { ERRNO, isErrno } from "#base/errors.ts";
import { O, openPath, type OwnedFd } from "./fd.ts";
import { check, libc } from "./open.ts";

// _IOC(direction, 0x94, number, size)
const SUBVOL_GETFLAGS = 0x80089419n;
const SUBVOL_SETFLAGS = 0x4008941an;
const GET_SUBVOL_ROOTREF = 0xd000943dn;
const INO_LOOKUP_USER = 0xd000943en;
const SUBVOL_RDONLY = 2n;
const PAGE = 4096;
const REFS_MAX = 255;

function open(path: string): OwnedFd {
  return openPath(path, O.RDONLY | O.DIRECTORY);
}

/** @throws {SysError} ENOTTY if it is on no btrfs, EINVAL if it is a folder in a subvolume. */
export function isReadOnlySubvolume(path: string): boolean {
  using root = open(path);
  const flags = new BigUint64Array(1);
  const result = libc().ioctl(root.fd, SUBVOL_GETFLAGS, new Uint8Array(flags.buffer));
  check(result, "ioctl BTRFS_IOC_SUBVOL_GETFLAGS", `"${path}"`);
  return ((flags[0] ?? 0n) & SUBVOL_RDONLY) !== 0n;
}

/** As `btrfs property set ro`. @throws {SysError} as isReadOnlySubvolume; EROFS, EPERM */
export function setReadOnlySubvolume(path: string, readOnly: boolean): void {
  using root = open(path);
  const flags = new BigUint64Array([readOnly ? SUBVOL_RDONLY : 0n]);
  const result = libc().ioctl(root.fd, SUBVOL_SETFLAGS, new Uint8Array(flags.buffer));
  check(result, "ioctl BTRFS_IOC_SUBVOL_SETFLAGS", `"${path}"`);
}

/** Paths of the subvolumes directly below one, relative to it. Linux 4.18. */
export function childSubvolumes(path: string): string[] {
  using root = open(path);
  const paths: string[] = [];
  let least = 0n;
  for (;;) {
    // u64 min_treeid; struct { u64 treeid, dirid } rootref[255]; u8 num_items
    const page = new Uint8Array(PAGE);
    const view = new DataView(page.buffer);
    view.setBigUint64(0, least, true);
    const isWhole = isLastPage(libc().ioctl(root.fd, GET_SUBVOL_ROOTREF, page), path);
    const count = page[8 + REFS_MAX * 16] ?? 0;
    for (let index = 0; index < count; index++) {
      const id = view.getBigUint64(8 + index * 16, true);
      paths.push(lookUp(root, id, view.getBigUint64(16 + index * 16, true)));
      least = id + 1n;
    }
    if (isWhole) return paths;
  }
}

/** EOVERFLOW: there are more than fit. */
function isLastPage(result: number, path: string): boolean {
  try {
    check(result, "ioctl BTRFS_IOC_GET_SUBVOL_ROOTREF", `"${path}"`);
    return true;
  } catch (error) {
    if (isErrno(error, ERRNO.EOVERFLOW)) return false;
    throw error;
  }
}

function lookUp(root: OwnedFd, treeId: bigint, directoryId: bigint): string {
  // u64 dirid; u64 treeid; char name[256]; char path[3824]
  const page = new Uint8Array(PAGE);
  const view = new DataView(page.buffer);
  view.setBigUint64(0, directoryId, true);
  view.setBigUint64(8, treeId, true);
  check(libc().ioctl(root.fd, INO_LOOKUP_USER, page), "ioctl BTRFS_IOC_INO_LOOKUP_USER");
  return text(page.subarray(272)) + text(page.subarray(16, 272));
}

function text(bytes: Uint8Array<ArrayBuffer>): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
