/** Start programs with exact file descriptors; nothing else leaks into them. */
import { type Fd, type Pid, pid as brandPid } from "#base/brand.ts";
import { SysError } from "#base/errors.ts";
import { O, openPath, OwnedFd, pipe } from "./fd.ts";
import { check, cstring, libc } from "./open.ts";
import { SYS } from "./raw.ts";
import { syscallNumbers } from "./open.ts";

const POSIX_SPAWN_SETSIGDEF = 4;
const POSIX_SPAWN_SETSIGMASK = 8;
/** sizeof of glibc 2.36: posix_spawn_file_actions_t 80, posix_spawnattr_t 336, sigset_t 128. */
const ACTIONS_BYTES = 80;
const ATTRIBUTES_BYTES = 336;
const SIGSET_BYTES = 128;

export type ExitStatus =
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "signal"; readonly signal: number };

/**
 * Start `argv[0]` (a path) with `fds[n]` as its descriptor n; `null` is /dev/null.
 * The caller keeps its own descriptors and reaps the child with `reap`.
 *
 * @throws {SysError} ENOENT ... if it can't be executed.
 */
export function spawn(
  argv: readonly string[],
  options: { fds: readonly (Fd | null)[]; env?: Readonly<Record<string, string>> },
): Pid {
  using nothing = openPath("/dev/null", O.RDWR);
  const actions = new Uint8Array(ACTIONS_BYTES);
  const attributes = new Uint8Array(ATTRIBUTES_BYTES);
  const c = libc();
  c.posix_spawn_file_actions_init(actions);
  c.posix_spawnattr_init(attributes);
  using stack = new DisposableStack();
  stack.defer(() => {
    c.posix_spawn_file_actions_destroy(actions);
    c.posix_spawnattr_destroy(attributes);
  });
  // Sources above all targets first, so that no dup2 overwrites one that is still wanted.
  const count = options.fds.length;
  options.fds.forEach((fd, index) => {
    const source = stack.use(duplicateAbove(fd ?? nothing.fd, count));
    c.posix_spawn_file_actions_adddup2(actions, source.fd, index);
  });
  // What we inherited ourselves (a socket of systemd, say) may lack O_CLOEXEC.
  c.posix_spawn_file_actions_addclosefrom_np(actions, count);
  c.posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  c.posix_spawnattr_setsigdefault(attributes, new Uint8Array(SIGSET_BYTES).fill(0xff));
  c.posix_spawnattr_setsigmask(attributes, new Uint8Array(SIGSET_BYTES));
  const child = new Int32Array(1);
  const env = Object.entries(options.env ?? {}).map(([key, value]) => `${key}=${value}`);
  const kept: Uint8Array[] = [];
  const result = c.posix_spawn(
    child,
    cstring(argv[0] ?? ""),
    actions,
    attributes,
    pointerArray(argv, kept),
    pointerArray(env, kept),
  );
  if (result !== 0) throw new SysError("posix_spawn", result, `"${argv[0]}"`);
  return brandPid(child[0] ?? 0);
}

function duplicateAbove(fd: Fd, lowest: number): OwnedFd {
  const F_DUPFD_CLOEXEC = 1030;
  return new OwnedFd(check(libc().fcntl(fd, F_DUPFD_CLOEXEC, BigInt(lowest)), "fcntl"));
}

/** char *const argv[]: pointers to NUL-ended texts; `kept` holds them until C has returned. */
function pointerArray(texts: readonly string[], kept: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const pointers = new BigUint64Array(texts.length + 1);
  texts.forEach((text, index) => {
    const bytes = cstring(text);
    kept.push(bytes);
    pointers[index] = Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
  });
  const array = new Uint8Array(pointers.buffer);
  kept.push(array);
  return array;
}

/** Collect a child of ours that has ended, or is about to. @see waitpid(2) */
export function reap(child: Pid): ExitStatus {
  const status = new Int32Array(1);
  check(libc().waitpid(child, status, 0), "waitpid", `${child}`);
  const word = status[0] ?? 0;
  const signal = word & 0x7f;
  return signal === 0 ? { kind: "exit", code: (word >> 8) & 0xff } : { kind: "signal", signal };
}

/**
 * The parent of a process; undefined if it has none or has ended. Reading fails for no other reason, but says so in
 * two ways: ENOENT, or ESRCH without a code where the process ends meanwhile.
 *
 * @see proc_pid_stat(5)
 */
export function parentOf(process: Pid): Pid | undefined {
  let stat: string;
  try {
    stat = Deno.readTextFileSync(`/proc/${process}/stat`);
  } catch {
    return undefined; // Ignored: as said above.
  }
  const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  return parent > 0 ? brandPid(parent) : undefined;
}

/** pidfd_open(2). @throws {SysError} ESRCH if there is no such process. */
export function openPidfd(target: Pid): OwnedFd {
  const result = syscallNumbers()(BigInt(SYS.pidfd_open), BigInt(target), 0n, 0n, 0n, 0n);
  return new OwnedFd(check(result, "pidfd_open", `${target}`));
}

/** Signal exactly the process that the pidfd stands for. @returns false if it is gone. */
export function signalPidfd(pidfd: Fd, signal: number): boolean {
  const result = syscallNumbers()(
    BigInt(SYS.pidfd_send_signal),
    BigInt(pidfd),
    BigInt(signal),
    0n,
    0n,
    0n,
  );
  if (result >= 0n) return true;
  try {
    check(result, "pidfd_send_signal");
  } catch (error) {
    if (error instanceof SysError && error.code === "ESRCH") return false;
    throw error;
  }
  return true;
}

/** A user namespace with these maps. The result is its descriptor; mounts and setns use it. */
export async function createUserNamespace(
  helper: string,
  maps: { readonly uid: string; readonly gid: string },
): Promise<OwnedFd> {
  const input = pipe();
  const output = pipe();
  using stack = new DisposableStack();
  for (const end of [input.reader, input.writer, output.reader, output.writer]) stack.use(end);
  const child = spawn([helper, "userns"], { fds: [input.reader.fd, output.writer.fd, null] });
  try {
    output.writer[Symbol.dispose]();
    const ready = new Uint8Array(1);
    const got = libc().read(output.reader.fd, ready, 1n);
    if (got !== 1n) throw new SysError("unshare user namespace", 1);
    await Deno.writeTextFile(`/proc/${child}/uid_map`, maps.uid, { create: false });
    await Deno.writeTextFile(`/proc/${child}/gid_map`, maps.gid, { create: false });
    return openPath(`/proc/${child}/ns/user`, O.RDONLY);
  } finally {
    input.writer[Symbol.dispose]();
    input.reader[Symbol.dispose]();
    reap(child);
  }
}
