/** Overlays of directories whose ids are mapped. Synchronous on purpose: errno belongs to the thread. */
import type { Fd, HostPath } from "#base/brand.ts";
import { ERRNO, isErrno, SysError } from "#base/errors.ts";
import { O, openAt, OwnedFd } from "./fd.ts";
import { attachTree, cloneTree, idmapTree } from "./mount.ts";
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

// From <linux/mount.h>.
const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_SET_FD = 5;
const FSCONFIG_CMD_CREATE = 6;
// From <sys/statvfs.h>.
const ST_RDONLY = 1n;

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
  const context = stack.use(openContext());
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
  if (options.isVolatile) configure(context, "volatile");
  create(context, options.target);
  const mounted = stack.use(mountContext(context));
  if (options.upperParent !== undefined && isReadOnly(mounted)) {
    throw new SysError(
      "mount overlay",
      ERRNO.EROFS,
      `"${options.target}" ${kernelMessages(context)}`,
    );
  }
  attachTree(mounted, options.target);
}

/** A context in which an overlay is configured. @see fsopen(2) */
function openContext(): OwnedFd {
  const [call, flags] = [BigInt(SYS.fsopen), BigInt(FSOPEN_CLOEXEC)];
  const result = syscallTextFirst()(call, cstring("overlay"), flags, 0n, 0n, 0n);
  return new OwnedFd(check(result, "fsopen", "overlay"));
}

/** The detached mount of what was created. @see fsmount(2) */
function mountContext(context: OwnedFd): OwnedFd {
  const [call, self, flags] = [BigInt(SYS.fsmount), BigInt(context.fd), BigInt(FSMOUNT_CLOEXEC)];
  const result = syscallNumbers()(call, self, flags, 0n, 0n, 0n);
  if (result < 0n) throw new SysError("fsmount", lastErrno(), kernelMessages(context));
  return new OwnedFd(Number(result));
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
    for (const lower of lowers) configure(context, "lowerdir+", lower);
    if (above === undefined) return;
    configure(context, "upperdir", above.upper);
    configure(context, "workdir", above.work);
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

/** Set an option of a file system context that is to be mounted: a text, a descriptor, or a flag. */
function configure(context: OwnedFd, key: string, value?: string | OwnedFd): void {
  const [command, text, fd] = typeof value === "string"
    ? [FSCONFIG_SET_STRING, cstring(value), 0]
    : value === undefined
    ? [FSCONFIG_SET_FLAG, null, 0]
    : [FSCONFIG_SET_FD, null, value.fd];
  if (fsconfig(context, { command, key: cstring(key), text, fd }) >= 0n) return;
  throw new SysError(`fsconfig ${key}`, lastErrno(), kernelMessages(context));
}

/** Make the file system of what was configured. */
function create(context: OwnedFd, target: string): void {
  if (fsconfig(context, { command: FSCONFIG_CMD_CREATE, key: null, text: null, fd: 0 }) >= 0n) {
    return;
  }
  throw new SysError("mount overlay", lastErrno(), `"${target}" ${kernelMessages(context)}`);
}

interface Fsconfig {
  readonly command: number;
  readonly key: Uint8Array<ArrayBuffer> | null;
  readonly text: Uint8Array<ArrayBuffer> | null;
  readonly fd: number;
}

/** @returns negative on an error, whose number is in errno. */
function fsconfig(context: OwnedFd, { command, key, text, fd }: Fsconfig): bigint {
  const [call, self] = [BigInt(SYS.fsconfig), BigInt(context.fd)];
  return syscallFsconfig()(call, self, BigInt(command), key, text, BigInt(fd));
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
