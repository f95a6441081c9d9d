/** What the kernel tests of ffi/ share: a built helper, a busybox container, programs run in it. */
import { type Fd, type HostPath, hostPath, type Pid, pid } from "#base/brand.ts";
import { ERRNO, isErrno } from "#base/errors.ts";
import { encodeRequest } from "#daemon/guest/exec_request.ts";
import { ExecServer } from "#daemon/guest/exec_server.ts";
import { processEnd } from "#ffi/libc/exit_watch.ts";
import { AT_FDCWD, OwnedFd, pipe, socketPair } from "#ffi/libc/fd.ts";
import { changeOwnerAt } from "#ffi/libc/in_root.ts";
import { libc } from "#ffi/libc/open.ts";
import { openPidfd, reap, signalPidfd, spawn } from "#ffi/libc/process.ts";
import { Container } from "#ffi/liblxc/container.ts";

const SIGKILL = 9;
const NATIVE = new URL("../../ffi/native/", import.meta.url).pathname;
/** Host id of the containers' root. */
export const BASE_ID = 1_000_000;

/** A directory that goes away, with what was made in it. */
export function temporaryDirectory(): { readonly path: HostPath } & Disposable {
  const path = hostPath(Deno.makeTempDirSync({ prefix: "ffi-" }));
  Deno.chmodSync(path, 0o755); // The container's root walks through it.
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** Compile C; `flags` come before the sources. @throws with the compiler's words. */
export async function compile(
  sources: readonly string[],
  output: HostPath,
  flags: readonly string[] = [],
): Promise<void> {
  const warnings = ["-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"];
  const args = [...warnings, ...flags, "-o", output, ...sources, "-llxc"];
  const { success, stderr } = await new Deno.Command("gcc", { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** The sources of the helper, as tools/build takes them. */
export function helperSources(): string[] {
  const names = [...Deno.readDirSync(NATIVE)].map(({ name }) => name);
  return names.filter((name) => /^helper.*\.c$/.test(name)).sort().map((name) => NATIVE + name);
}

/** Compile the helper into `directory`. */
export async function buildHelper(directory: HostPath): Promise<HostPath> {
  const helper = hostPath(`${directory}/helper`);
  // In a test VM, where a compiler is slow, it comes from outside.
  const built = Deno.env.get("VM_HELPER") ?? "";
  if (built !== "") {
    await Deno.copyFile(built, helper);
    return helper;
  }
  await Deno.copyFile(await builtHelper(), helper);
  return helper;
}

/** Compiled once for the same sources: a test file wants several, and each takes seconds. */
async function builtHelper(): Promise<HostPath> {
  const sources = helperSources();
  const texts = [...Deno.readDirSync(NATIVE)].map(({ name }) => name).filter((name) =>
    /\.[ch]$/.test(name)
  ).sort().map((name) => Deno.readTextFileSync(NATIVE + name));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(texts.join("\0")));
  const folder = new URL("../../.cache/test-helper/", import.meta.url).pathname;
  const kept = hostPath(folder + new Uint8Array(digest).toHex());
  if (await Deno.stat(kept).then(() => true, () => false)) return kept;
  await Deno.mkdir(folder, { recursive: true });
  const made = hostPath(`${kept}.${Deno.pid}`);
  await compile(sources, made, ["-O2"]);
  await Deno.rename(made, kept);
  return kept;
}

/** Everything from a pipe until its end. Blocks: the writer must be another process. */
export function readAll(reader: Fd): string {
  const buffer = new Uint8Array(65536);
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const length = Number(libc().read(reader, buffer, BigInt(buffer.length)));
    if (length <= 0) return text;
    text += decoder.decode(buffer.subarray(0, length), { stream: true });
  }
}

/** Numbers of this process's open descriptors. */
export function openDescriptors(): string[] {
  return [...Deno.readDirSync("/proc/self/fd")]
    .filter(({ name }) => {
      try {
        return !Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith("/proc/");
      } catch {
        return false; // Ignored: the descriptor of this very listing.
      }
    })
    .map(({ name }) => name);
}

const APPLETS = "sh true cat tty id pwd env sleep ls kill stat grep ip stty readlink mkdir ln";

function makeRootfs(rootfs: string): void {
  for (const name of ["bin", "sbin", "etc", "proc", "sys", "dev", "tmp", "root", "mnt"]) {
    Deno.mkdirSync(`${rootfs}/${name}`, { recursive: true });
  }
  Deno.copyFileSync("/bin/busybox", `${rootfs}/bin/busybox`);
  for (const name of APPLETS.split(" ")) Deno.symlinkSync("busybox", `${rootfs}/bin/${name}`);
  Deno.symlinkSync("../bin/busybox", `${rootfs}/sbin/init`);
  Deno.writeTextFileSync(`${rootfs}/etc/inittab`, "::sysinit:/bin/true\n");
  Deno.writeTextFileSync(`${rootfs}/etc/data`, "not a program\n");
  for (const path of walk(rootfs)) changeOwnerAt(AT_FDCWD as Fd, path, BASE_ID, BASE_ID);
}

function* walk(path: string): Generator<string> {
  yield path;
  for (const entry of Deno.readDirSync(path)) {
    if (entry.isDirectory) yield* walk(`${path}/${entry.name}`);
    else yield `${path}/${entry.name}`;
  }
}

function lxcConfig(directory: string, name: string): string {
  return `lxc.log.file = ${directory}/lxc.log
lxc.log.level = info
lxc.console.buffer.size = auto
lxc.mount.auto = proc:rw sys:rw cgroup:mixed
lxc.autodev = 1
lxc.pty.max = 1024
lxc.tty.max = 0
lxc.uts.name = ${name}
lxc.idmap = u 0 ${BASE_ID} 65536
lxc.idmap = g 0 ${BASE_ID} 65536
lxc.cap.drop = sys_time sys_module
lxc.net.0.type = veth
lxc.net.0.flags = up
lxc.net.0.name = eth0
lxc.net.0.hwaddr = 00:16:3e:ff:11:01
lxc.net.0.veth.pair = ${name}
lxc.net.0.ipv4.address = 10.203.7.5/24
lxc.rootfs.path = dir:${directory}/rootfs
`;
}

export interface TestContainer extends AsyncDisposable {
  readonly name: string;
  readonly lxcPath: HostPath;
  readonly helper: HostPath;
  /** Runs programs in there. */
  readonly server: ExecServer;
  readonly init: Pid;
  readonly monitor: Pid;
}

/** Start a busybox container below `lxcPath`; disposing kills it and waits for its monitor. */
export async function startBusybox(lxcPath: HostPath): Promise<TestContainer> {
  const helper = await buildHelper(lxcPath);
  const name = `ffi${Deno.pid}`;
  const directory = `${lxcPath}/${name}`;
  makeRootfs(`${directory}/rootfs`);
  Deno.writeTextFileSync(`${directory}/config`, lxcConfig(directory, name));
  const child = spawn([helper, "start", lxcPath, name, `${directory}/config`], {
    fds: [null, null, null],
  });
  const status = reap(child);
  if (status.kind !== "exit" || status.code !== 0) {
    throw new Error(`did not start: ${Deno.readTextFileSync(`${directory}/lxc.log`)}`);
  }
  using container = new Container(name, lxcPath);
  const init = pid(await container.initPid() ?? -1);
  const monitor = pid(parentOf(init));
  const close = async () => {
    using end = processEnd(monitor);
    try {
      using pidfd = openPidfd(init);
      signalPidfd(pidfd.fd, SIGKILL);
    } catch (error) {
      if (!isErrno(error, ERRNO.ESRCH)) throw error; // The test has stopped it.
    }
    await end.ended;
  };
  const server = new ExecServer(helper);
  const closeAll = async () => {
    server[Symbol.dispose]();
    await close();
  };
  return { name, lxcPath, helper, server, init, monitor, [Symbol.asyncDispose]: closeAll };
}

function parentOf(child: Pid): number {
  const status = Deno.readTextFileSync(`/proc/${child}/status`);
  return Number(/^PPid:\t(\d+)$/m.exec(status)?.[1] ?? -1);
}

export interface ExecOptions {
  readonly uid?: number;
  readonly gid?: number;
  readonly cwd?: string;
  readonly env?: readonly string[];
  readonly terminal?: boolean;
  readonly streams?: readonly [Fd | null, Fd | null, Fd | null];
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  /** Last line on the status descriptor: "exit 0", "signal 9". */
  readonly status: string;
}

/** Ask the helper's server for a program, which does not run yet. The result, its status, is ours to close. */
export function askExec(
  { lxcPath, name, server }: TestContainer,
  command: readonly string[],
  { uid = 0, gid = 0, cwd = "/", env = ["PATH=/bin:/sbin"], terminal = false, streams }:
    ExecOptions = {},
): OwnedFd {
  const [status, its] = socketPair();
  using theirs = its;
  server.start(theirs.fd, streams ?? [null, null, null]);
  const environment = Object.fromEntries(env.map((one) => one.split("=", 2)));
  const wish = { command, environment, user: uid, group: gid, cwd, isNative: false };
  writeAll(status, encodeRequest({ lxcPath, lxcName: name, wish, terminal }));
  return status;
}

/** The same, and tell it to run. */
export function startExec(
  container: TestContainer,
  command: readonly string[],
  options: ExecOptions = {},
): OwnedFd {
  const status = askExec(container, command, options);
  writeAll(status, Uint8Array.of(10));
  return status;
}

export function writeAll(to: OwnedFd, bytes: Uint8Array<ArrayBuffer>): void {
  const written = libc().write(to.fd, bytes, BigInt(bytes.length));
  if (written !== BigInt(bytes.length)) throw new Error("no helper");
}

/** Run a program in the container to its end. */
export function execIn(
  container: TestContainer,
  command: readonly string[],
  options: ExecOptions = {},
): ExecResult {
  using stack = new DisposableStack();
  const [out, err] = [pipe(), pipe()];
  for (const { reader } of [out, err]) stack.use(reader);
  const [output, error] = [stack.use(out.writer), stack.use(err.writer)];
  const status = stack.use(
    startExec(container, command, { ...options, streams: [null, output.fd, error.fd] }),
  );
  for (const writer of [output, error]) writer[Symbol.dispose]();
  const stdout = readAll(out.reader.fd);
  const stderr = readAll(err.reader.fd);
  return { stdout, stderr, status: readAll(status.fd).trim() };
}

/** Run the helper to its end: exit code and what it said. */
export async function runHelper(
  helper: HostPath,
  args: readonly string[],
): Promise<{ readonly code: number; readonly stderr: string }> {
  const command = new Deno.Command(helper, { args: [...args], clearEnv: true, stdin: "null" });
  const { code, stderr } = await command.output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

/** A file's text, or this. */
export function readOr(path: string, otherwise: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return otherwise; // Ignored: the process has ended meanwhile.
  }
}
