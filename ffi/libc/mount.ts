/** Mounts through the mount API of Linux 5.12+. Synchronous on purpose: errno belongs to the thread. */
import type { Fd, HostPath } from "#base/brand.ts";
import { ERRNO, isErrno, SysError } from "#base/errors.ts";
import { AT_FDCWD, O, openAt, OwnedFd } from "./fd.ts";
import {
  check,
  cstring,
  lastErrno,
  libc,
  syscallFsconfig,
  syscallNumbers,
  syscallTextFirst,
} from "./open.ts";
import { SYS } from "./raw.ts";

// From <linux/mount.h> and <sys/mount.h>.
const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = O.CLOEXEC;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MNT_DETACH = 2;
const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_SET_FD = 5;
const FSCONFIG_CMD_CREATE = 6;
export const MOUNT_ATTR = { RDONLY: 1n, NOSUID: 2n, NODEV: 4n, IDMAP: 0x100000n } as const;
export const PROPAGATION = {
  unbindable: 1n << 17n,
  private: 1n << 18n,
  slave: 1n << 19n,
  shared: 1n << 20n,
} as const;
const ST_RDONLY = 1n;

/** A detached copy of the mount at `path`; `recursive` takes what is mounted below it too. */
export function cloneTree(path: string, options: { recursive?: boolean; at?: Fd } = {}): OwnedFd {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (options.recursive ? AT_RECURSIVE : 0) |
    (path === "" ? AT_EMPTY_PATH : 0);
  const result = libc().syscall(
    BigInt(SYS.open_tree),
    BigInt(options.at ?? AT_FDCWD),
    cstring(path),
    BigInt(flags),
    null,
    0n,
  );
  return new OwnedFd(check(result, "open_tree", `"${path}"`));
}

export interface MountAttributes {
  readonly set?: bigint;
  readonly clear?: bigint;
  readonly propagation?: bigint;
  readonly userNamespace?: Fd;
  readonly recursive?: boolean;
}

/** mount_setattr(2) on a tree from cloneTree. */
export function setMountAttributes(tree: OwnedFd, attributes: MountAttributes): void {
  const attr = new BigUint64Array([
    attributes.set ?? 0n,
    attributes.clear ?? 0n,
    attributes.propagation ?? 0n,
    BigInt(attributes.userNamespace ?? 0),
  ]);
  const flags = AT_EMPTY_PATH | (attributes.recursive ? AT_RECURSIVE : 0);
  const result = libc().syscall(
    BigInt(SYS.mount_setattr),
    BigInt(tree.fd),
    cstring(""),
    BigInt(flags),
    new Uint8Array(attr.buffer),
    BigInt(attr.byteLength),
  );
  check(result, "mount_setattr");
}

/** Map the ids of a tree through a user namespace. @throws {SysError} EINVAL if the file system can't. */
export function idmapTree(tree: OwnedFd, userNamespace: Fd, recursive = false): void {
  setMountAttributes(tree, { set: MOUNT_ATTR.IDMAP, userNamespace, recursive });
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

/** Bind `source` on `target`. */
export function bindMount(
  source: string,
  target: HostPath,
  attributes: MountAttributes = {},
): void {
  using tree = cloneTree(source, { recursive: attributes.recursive ?? false });
  if (Object.keys(attributes).some((key) => key !== "recursive")) {
    setMountAttributes(tree, attributes);
  }
  attachTree(tree, target);
}

/** mount(2) for simple file systems such as tmpfs, proc and loop-backed disks. */
export function mountFilesystem(
  source: string,
  target: HostPath,
  type: string,
  flags = 0n,
  data = "",
): void {
  const result = libc().mount(
    cstring(source),
    cstring(target),
    cstring(type),
    flags,
    cstring(data),
  );
  check(result, "mount", `${type} on "${target}"`);
}

/** Change the propagation of the mount at `target`: MS_SHARED, MS_PRIVATE ... (with MS_REC). */
export function changePropagation(target: HostPath, flags: bigint): void {
  check(libc().mount(null, cstring(target), null, flags, null), "mount", `"${target}"`);
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

export interface OverlayMount {
  /** Topmost first, each with the namespace that maps its ids (none: unmapped). */
  readonly lowers: readonly string[];
  readonly lowerNamespace?: Fd;
  /** Directory that holds upper/ and work/; absent: read-only. */
  readonly upperParent?: string;
  readonly upperNamespace?: Fd;
  readonly target: HostPath;
  /** Skip syncs: the content may be lost in a crash of the host. */
  readonly isVolatile?: boolean;
}

/**
 * Mount an overlay from (idmapped) directories, in the order that was proven to be right:
 * lowers, parent of upper and work, options, create, read-only check, attach.
 *
 * @throws {SysError} with the kernel's own messages in the subject; EROFS if it would be read-only.
 */
export function mountOverlay(options: OverlayMount): void {
  using stack = new DisposableStack();
  const lowers = options.lowers.map((path) => {
    const tree = stack.use(cloneTree(path));
    if (options.lowerNamespace !== undefined) idmapTree(tree, options.lowerNamespace);
    return tree;
  });
  const context = stack.use(
    new OwnedFd(check(
      syscallTextFirst()(
        BigInt(SYS.fsopen),
        cstring("overlay"),
        BigInt(FSOPEN_CLOEXEC),
        0n,
        0n,
        0n,
      ),
      "fsopen",
      "overlay",
    )),
  );
  configure(context, "source", "lxd");
  const above = options.upperParent === undefined
    ? undefined
    : openUpper(stack, options.upperParent, options.upperNamespace);
  setLayers(context, lowers, above);
  configure(context, "redirect_dir", "on");
  configure(context, "index", "off");
  configure(context, "metacopy", "off");
  // Inode numbers stay unique and the same across layers of different file systems.
  if (countFilesystems(options) > 1) configure(context, "xino", "on");
  if (options.isVolatile) flag(context, "volatile");
  create(context, options.target);
  const mounted = stack.use(
    new OwnedFd(check(
      syscallNumbers()(
        BigInt(SYS.fsmount),
        BigInt(context.fd),
        BigInt(FSMOUNT_CLOEXEC),
        0n,
        0n,
        0n,
      ),
      "fsmount",
      kernelMessages(context),
    )),
  );
  if (options.upperParent !== undefined && isReadOnly(mounted)) {
    throw new SysError(
      "mount overlay",
      ERRNO.EROFS,
      `"${options.target}" ${kernelMessages(context)}`,
    );
  }
  attachTree(mounted, options.target);
}

interface Above {
  readonly upper: OwnedFd;
  readonly work: OwnedFd;
}

/** Upper and work must be one mount for the kernel: map their parent and open both below it. */
function openUpper(stack: DisposableStack, path: string, namespace: Fd | undefined): Above {
  const parent = stack.use(cloneTree(path));
  if (namespace !== undefined) idmapTree(parent, namespace);
  const open = (name: string) => stack.use(openAt(parent.fd, name, O.PATH | O.DIRECTORY));
  return { upper: open("upper"), work: open("work") };
}

/** Layers as descriptors (Linux 6.13); older kernels get the descriptors' names in /proc. */
function setLayers(context: OwnedFd, lowers: readonly OwnedFd[], above: Above | undefined): void {
  try {
    for (const lower of lowers) configureFd(context, "lowerdir+", lower);
    if (above === undefined) return;
    configureFd(context, "upperdir", above.upper);
    configureFd(context, "workdir", above.work);
  } catch (error) {
    if (!isErrno(error, ERRNO.EINVAL)) throw error;
    const name = ({ fd }: OwnedFd) => `/proc/self/fd/${fd}`;
    configure(context, "lowerdir", lowers.map(name).join(":"));
    if (above === undefined) return;
    configure(context, "upperdir", name(above.upper));
    configure(context, "workdir", name(above.work));
  }
}

function countFilesystems({ lowers, upperParent }: OverlayMount): number {
  const paths = upperParent === undefined ? lowers : [...lowers, upperParent];
  return new Set(paths.map((path) => Deno.statSync(path).dev)).size;
}

function configure(context: OwnedFd, key: string, value: string): void {
  const result = syscallFsconfig()(
    BigInt(SYS.fsconfig),
    BigInt(context.fd),
    BigInt(FSCONFIG_SET_STRING),
    cstring(key),
    cstring(value),
    0n,
  );
  if (result < 0n) throw new SysError(`fsconfig ${key}`, lastErrno(), kernelMessages(context));
}

function configureFd(context: OwnedFd, key: string, value: OwnedFd): void {
  const result = syscallFsconfig()(
    BigInt(SYS.fsconfig),
    BigInt(context.fd),
    BigInt(FSCONFIG_SET_FD),
    cstring(key),
    null,
    BigInt(value.fd),
  );
  if (result < 0n) throw new SysError(`fsconfig ${key}`, lastErrno(), kernelMessages(context));
}

function flag(context: OwnedFd, key: string): void {
  const result = syscallFsconfig()(
    BigInt(SYS.fsconfig),
    BigInt(context.fd),
    BigInt(FSCONFIG_SET_FLAG),
    cstring(key),
    null,
    0n,
  );
  if (result < 0n) throw new SysError(`fsconfig ${key}`, lastErrno(), kernelMessages(context));
}

function create(context: OwnedFd, target: string): void {
  const result = syscallFsconfig()(
    BigInt(SYS.fsconfig),
    BigInt(context.fd),
    BigInt(FSCONFIG_CMD_CREATE),
    null,
    null,
    0n,
  );
  if (result < 0n) {
    throw new SysError("mount overlay", lastErrno(), `"${target}" ${kernelMessages(context)}`);
  }
}

/** What the kernel said about a file system context. */
function kernelMessages(context: OwnedFd): string {
  const buffer = new Uint8Array(1024);
  const texts: string[] = [];
  for (;;) {
    const length = Number(libc().read(context.fd, buffer, BigInt(buffer.length)));
    if (length <= 0) return texts.join("; ");
    texts.push(new TextDecoder().decode(buffer.subarray(0, length)).trim());
  }
}

/** fstatfs(2): f_flags is the 11th word of struct statfs. */
function isReadOnly(file: OwnedFd): boolean {
  const buffer = new BigUint64Array(16);
  check(libc().fstatfs(file.fd, new Uint8Array(buffer.buffer)), "fstatfs");
  return ((buffer[10] ?? 0n) & ST_RDONLY) !== 0n;
}

/** Type of the file system at `path`, its f_type magic. @see statfs(2) */
export function filesystemMagic(path: string): number {
  const buffer = new BigUint64Array(16);
  check(libc().statfs(cstring(path), new Uint8Array(buffer.buffer)), "statfs", `"${path}"`);
  return Number(buffer[0]);
}
