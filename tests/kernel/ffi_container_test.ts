/** The helper and liblxc on a real unprivileged busybox container. Needs root. */
import assert from "node:assert/strict";
import { type HostPath, hostPath, type Pid, pid as brandPid } from "#base/brand.ts";
import { ExecServer } from "#daemon/guest/exec_server.ts";
import { processEnd } from "#ffi/libc/exit_watch.ts";
import { OwnedFd, pipe, socketPair } from "#ffi/libc/fd.ts";
import { changeOwner } from "#ffi/libc/in_root.ts";
import { openPidfd, reap, signalPidfd, spawn } from "#ffi/libc/process.ts";
import { openPty, setWindowSize } from "#ffi/libc/pty.ts";
import { Container } from "#ffi/liblxc/container.ts";
import {
  askExec,
  BASE_ID,
  execIn,
  openDescriptors,
  readAll,
  runHelper,
  startBusybox,
  startExec,
  temporaryDirectory,
  type TestContainer,
  writeAll,
} from "./ffi_support.ts";

const SIGTERM = 15;
const SIGKILL = 9;
const NO_GROUP_CHANGE = 0xffffffff;

/** Everything on the host that a container of this test may leave behind. */
function traces(name: string): string[] {
  const found: string[] = [];
  for (const controller of Deno.readDirSync("/sys/fs/cgroup")) {
    const path = `/sys/fs/cgroup/${controller.name}`;
    if (!controller.isDirectory) continue;
    for (const entry of Deno.readDirSync(path)) {
      if (entry.name.includes(name)) found.push(`${path}/${entry.name}`);
    }
  }
  const mounts = Deno.readTextFileSync("/proc/self/mountinfo").split("\n");
  found.push(...mounts.filter((line) => line.includes(name)));
  for (const process of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(process.name) || Number(process.name) === Deno.pid) continue;
    const text = readOr(`/proc/${process.name}/cmdline`, "");
    if (text.includes(name)) found.push(`${process.name} ${text}`);
  }
  for (const device of Deno.readDirSync("/sys/class/net")) {
    if (device.name === name) found.push(device.name);
  }
  return found;
}

function readOr(path: string, otherwise: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return otherwise; // Ignored: the process has ended meanwhile.
  }
}

/** One container for the whole file: each step is a test of its own. */
Deno.test("helper on a running container", async (t) => {
  await watchOnce(); // The watcher keeps a pipe for the life of the process.
  const descriptors = openDescriptors();
  using directory = temporaryDirectory();
  let name = "";
  {
    await using container = await startBusybox(directory.path);
    name = container.name;
    const step = (title: string, run: () => void | Promise<void>) => t.step(title, run);

    await step("exec: streams, environment, user and directory", () => testExec(container));
    await step("exec: exit codes and signals", () => testExitCodes(container));
    await step("exec: stays confined as the container is", () => testConfinement(container));
    await step("exec: a signal", () => testSignal(container));
    await step("exec: a server that ends, and another", () => testServersEnd(container));
    await step("exec: a server that is killed", () => testServerKilled(container));
    await step("exec: requests that make no sense", () => testWrongRequests(container));
    await step("exec: ends when nobody listens any more", () => testDeafCaller(container));
    await step("exec: does not run what nobody wants any more", () => testDropped(container));
    await step("exec: shows its environment to nobody", () => testSecret(container));
    await step("exec: a pty of the container's own devpts", () => testPty(container));
    await step("exec: a container that does not run", () => testNotRunning(container));
    await step("mount: idmapped, then away again", () => testMount(container));
    await step("mount: a read-only file", () => testMountFile(container));
    await step("mount: a link can't lead out", () => testHostileTarget(container));
    await step("net: addresses, counters, link", () => testNet(container));
    await step("Container: state, pid, devpts", () => testState(container));
    await step("Container: freeze and thaw", () => testFreeze(container));
    await step("Container: console log", () => testConsole(container));
    await step("start: twice is refused", () => testStartTwice(container));
  }
  assert.deepEqual(traces(name), []);
  assert.deepEqual(openDescriptors(), descriptors);
});

async function watchOnce(): Promise<void> {
  const child = spawn(["/bin/sleep", "0.05"], { fds: [null, null, null] });
  using end = processEnd(child);
  await end.ended;
  reap(child);
}

function testExec(container: TestContainer): void {
  const env = ["PATH=/bin", "TEXT=a b"];
  const script = 'echo "$TEXT $(id -u) $(id -g) $(pwd)"; echo problem >&2';

  const result = execIn(container, ["sh", "-c", script], { env, uid: 5, gid: 6, cwd: "/tmp" });

  assert.deepEqual(result, { stdout: "a b 5 6 /tmp\n", stderr: "problem\n", status: "exit 0" });
}

function testExitCodes(container: TestContainer): void {
  const status = (...argv: string[]) => execIn(container, argv).status;

  assert.equal(status("true"), "exit 0");
  assert.equal(status("sh", "-c", "exit 7"), "exit 7");
  assert.equal(status("no-such-program"), "exit 127");
  assert.equal(status("/etc/data"), "exit 126");
  assert.equal(status("/etc"), "exit 126");
  assert.equal(status("sh", "-c", "kill -9 $$"), `signal ${SIGKILL}`);
}

function testConfinement(container: TestContainer): void {
  const bounding = (file: string) => execIn(container, ["grep", "CapBnd", file]).stdout;

  assert.equal(bounding("/proc/self/status"), bounding("/proc/1/status"));
  assert.equal(execIn(container, ["readlink", "/proc/self/exe"]).stdout, "/bin/busybox\n");
  for (const kind of ["user", "mnt", "net", "pid", "uts", "ipc", "cgroup"]) {
    const inside = execIn(container, ["readlink", `/proc/self/ns/${kind}`]).stdout.trim();
    assert.equal(inside, Deno.readLinkSync(`/proc/${container.init}/ns/${kind}`), kind);
  }
}

async function testSignal(container: TestContainer): Promise<void> {
  using status = startExec(container, ["sleep", "61"]);
  await hostPid("sleep", "61");

  writeAll(status, Uint8Array.of(SIGTERM));

  assert.equal(readAll(status.fd), `signal ${SIGTERM}\n`);
}

async function testDeafCaller(container: TestContainer): Promise<void> {
  const status = startExec(container, ["sleep", "62"]);
  using end = processEnd(await hostPid("sleep", "62"));

  status[Symbol.dispose]();

  await end.ended;
}

/** The server ends when nobody asks any more, and no sooner than what it has started. */
async function testServersEnd(container: TestContainer): Promise<void> {
  const server = new ExecServer(container.helper);
  using status = startExec({ ...container, server }, ["sleep", "63"]);
  await hostPid("sleep", "63");

  server[Symbol.dispose]();
  using again = startExec({ ...container, server }, ["sh", "-c", "exit 5"]);
  assert.equal(readAll(again.fd), "exit 5\n");
  writeAll(status, Uint8Array.of(SIGKILL));
  assert.equal(readAll(status.fd), `signal ${SIGKILL}\n`);

  using _server = server;
}

/** Somebody kills it: the next program gets another. */
async function testServerKilled(container: TestContainer): Promise<void> {
  using server = new ExecServer(container.helper);
  const own = { ...container, server };
  assert.equal(execIn(own, ["true"]).status, "exit 0");
  for (const child of childrenOf(Deno.pid)) {
    if (!readOr(`/proc/${child}/cmdline`, "").endsWith("\0exec\0")) continue;
    using pidfd = openPidfd(child);
    using end = processEnd(child);
    signalPidfd(pidfd.fd, SIGKILL);
    await end.ended;
  }

  assert.equal(execIn(own, ["true"]).status, "exit 0");
  assert.equal(execIn(container, ["true"]).status, "exit 0");
}

function childrenOf(parent: number): Pid[] {
  const tasks = [...Deno.readDirSync(`/proc/${parent}/task`)];
  return tasks.flatMap(({ name }) =>
    readOr(`/proc/${parent}/task/${name}/children`, "").split(" ").filter((one) => one !== "")
  ).map((one) => brandPid(Number(one)));
}

async function testSecret(container: TestContainer): Promise<void> {
  using status = startExec(container, ["sleep", "64"], { env: ["PATH=/bin", "TOKEN=secret"] });
  const program = await hostPid("sleep", "64");
  const [, helper] = /^PPid:\t(\d+)$/m.exec(Deno.readTextFileSync(`/proc/${program}/status`)) ?? [];

  const [commandLine, environment] = ["cmdline", "environ"].map((file) =>
    Deno.readTextFileSync(`/proc/${helper}/${file}`)
  );

  writeAll(status, Uint8Array.of(SIGKILL));
  readAll(status.fd);
  assert.match(commandLine ?? "", /exec/);
  assert.doesNotMatch(`${commandLine}${environment}`, /secret/);
}

function testDropped(container: TestContainer): void {
  const file = `${container.lxcPath}/${container.name}/rootfs/tmp/ran`;
  const status = askExec(container, ["touch", "/tmp/ran"]);

  status[Symbol.dispose]();

  // Whoever comes after it finds nothing.
  assert.equal(execIn(container, ["true"]).status, "exit 0");
  assert.throws(() => Deno.lstatSync(file), Deno.errors.NotFound);
}

/** What makes no sense runs nothing and harms nobody. */
function testWrongRequests(container: TestContainer): void {
  const words = (...all: string[]) =>
    new TextEncoder().encode(all.map((one) => `${one}\0`).join(""));
  const request = (text: Uint8Array, length = text.length) => {
    const bytes = new Uint8Array(4 + text.length);
    new DataView(bytes.buffer).setUint32(0, length, true);
    bytes.set(text, 4);
    return bytes;
  };
  const { lxcPath, name } = container;
  const wrong = [
    request(words()),
    request(words(lxcPath, name), 0xffffffff),
    request(words(lxcPath, name, "0", "0", "/", "pipe", "any", "0")),
    request(words(lxcPath, name, "0", "0", "/", "pipe", "32", "0", "true")),
    request(words(lxcPath, name, "0", "0", "/", "socket", "any", "0", "true")),
    request(words(lxcPath, name, "-1", "0", "/", "pipe", "any", "0", "true")),
    request(words(lxcPath, name, "0", "x", "/", "pipe", "any", "0", "true")),
    request(words(lxcPath, name, "0", "0", "/", "pipe", "any", "1", "A=b")),
    request(words(lxcPath, name, "0", "0", "/", "pipe", "any", "99999999", "A=b")),
    request(new TextEncoder().encode("no end")),
  ];
  for (const bytes of wrong) {
    const [status, its] = socketPair();
    using _status = status;
    container.server.start(its.fd, [null, null, null]);
    its[Symbol.dispose]();
    writeAll(status, bytes);
    assert.equal(readAll(status.fd), "");
  }
  assert.equal(execIn(container, ["true"]).status, "exit 0");
}

/** The pid on the host of the program with these words. */
async function hostPid(...words: string[]): Promise<Pid> {
  const wanted = words.map((word) => `${word}\0`).join("");
  for (let tries = 0; tries < 500; tries++) {
    for (const { name } of Deno.readDirSync("/proc")) {
      if (readOr(`/proc/${name}/cmdline`, "") === wanted) return brandPid(Number(name));
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${words.join(" ")} does not run`);
}

async function testPty(container: TestContainer): Promise<void> {
  using handle = new Container(container.name, container.lxcPath);
  using devpts = await handle.devpts() ?? new OwnedFd(-1);
  const { master, slave } = openPty(devpts.fd);
  using held = master;
  changeOwner(slave.fd, BASE_ID + 1000, NO_GROUP_CHANGE);
  setWindowSize(held.fd, 81, 25);
  const script = "tty; stat -c %u $(tty); stty size; echo controlling > /dev/tty";

  using reader = startExec(container, ["sh", "-c", script], {
    uid: 1000,
    terminal: true,
    streams: [slave.fd, slave.fd, slave.fd],
  });
  slave[Symbol.dispose]();
  const text = readAll(held.fd);

  assert.match(text, /^\/dev\/pts\/\d+\r\n1000\r\n25 81\r\ncontrolling\r\n$/);
  assert.equal(readAll(reader.fd), "exit 0\n");
}

function testNotRunning(container: TestContainer): void {
  const result = execIn({ ...container, name: "ffi-absent" }, ["true"]);

  assert.equal(result.status, "failed 1");
}

function makeSource(container: TestContainer): HostPath {
  const source = hostPath(`${container.lxcPath}/source`);
  Deno.mkdirSync(source, { recursive: true });
  Deno.writeTextFileSync(`${source}/file`, "text\n");
  return source;
}

async function testMount(container: TestContainer): Promise<void> {
  const { helper, init } = container;
  const source = makeSource(container);

  const mounted = await runHelper(helper, ["mount", `${init}`, source, "/mnt/a/b", "idmap"]);
  const written = execIn(container, ["sh", "-c", "stat -c %u /mnt/a/b/file; echo x > /mnt/a/b/n"]);
  const unmounted = await runHelper(helper, ["umount", `${init}`, "/mnt/a/b"]);
  const again = await runHelper(helper, ["umount", `${init}`, "/mnt/a/b"]);

  assert.deepEqual(mounted, { code: 0, stderr: "" });
  assert.equal(written.stdout, "0\n");
  assert.equal(Deno.statSync(`${source}/n`).uid, 0);
  assert.deepEqual([unmounted.code, again.code], [0, 0]);
  assert.equal(execIn(container, ["ls", "/mnt/a/b"]).stdout, "");
  const made = `${container.lxcPath}/${container.name}/rootfs/mnt/a`;
  assert.equal(Deno.statSync(made).uid, BASE_ID);
}

async function testMountFile(container: TestContainer): Promise<void> {
  const { helper, init } = container;
  const source = `${makeSource(container)}/file`;

  const args = ["mount", `${init}`, source, "/mnt/file", "ro", "idmap", "file"];
  const mounted = await runHelper(helper, args);
  const result = execIn(container, ["sh", "-c", "cat /mnt/file; echo x > /mnt/file"]);
  await runHelper(helper, ["umount", `${init}`, "/mnt/file"]);

  assert.equal(mounted.code, 0);
  assert.equal(result.stdout, "text\n");
  assert.match(result.stderr, /Read-only file system/);
}

async function testHostileTarget(container: TestContainer): Promise<void> {
  const { helper, init } = container;
  const source = makeSource(container);
  const outside = `${container.lxcPath}/outside`;
  Deno.mkdirSync(outside);
  execIn(container, ["ln", "-s", `../../../../../..${outside}`, "/mnt/link"]);

  const { code } = await runHelper(helper, ["mount", `${init}`, source, "/mnt/link/x"]);

  assert.equal(code, 1);
  assert.deepEqual([...Deno.readDirSync(outside)], []);
}

interface NetState {
  readonly addresses: readonly Readonly<Record<string, string>>[];
  readonly counters: Readonly<Record<string, number>>;
}

async function testNet(container: TestContainer): Promise<void> {
  execIn(container, ["ip", "addr", "add", "10.203.7.9/32", "dev", "eth0", "label", "eth0:1"]);
  const requests = pipe();
  const answers = pipe();
  const child = spawn([container.helper, "net"], {
    fds: [requests.reader.fd, answers.writer.fd, null],
  });
  Deno.writeTextFileSync(`/proc/self/fd/${requests.writer.fd}`, `${container.init}\n1x\n0\n-1\n`);
  for (const end of [requests.reader, requests.writer, answers.writer]) end[Symbol.dispose]();
  using reader = answers.reader;
  const [first, ...rest] = readAll(reader.fd).trim().split("\n");

  await Promise.resolve(reap(child));
  assert.deepEqual(rest, ["{}", "{}", "{}"]);
  const { lo, eth0 } = JSON.parse(first ?? "") as Record<string, NetState>;
  assert.deepEqual(lo?.addresses[0], {
    family: "inet",
    address: "127.0.0.1",
    netmask: "8",
    scope: "local",
  });
  const { addresses = [], counters, ...link } = eth0 ?? {};
  assert.equal(addresses[0]?.address, "10.203.7.5");
  assert.equal(addresses[0]?.netmask, "24");
  assert.ok(addresses.some(({ address }) => address === "10.203.7.9"));
  assert.ok((counters?.packets_sent ?? 0) >= 0);
  assert.deepEqual({ ...link, host_name: "" }, {
    hwaddr: "00:16:3e:ff:11:01",
    host_name: "",
    mtu: 1500,
    state: "up",
    type: "broadcast",
  });
}

async function testState(container: TestContainer): Promise<void> {
  using handle = new Container(container.name, container.lxcPath);
  using absent = new Container("ffi-absent", container.lxcPath);

  assert.equal(await handle.state(), "RUNNING");
  assert.equal(await handle.initPid(), container.init);
  assert.equal(await absent.state(), "STOPPED");
  assert.equal(await absent.initPid(), undefined);
}

async function testFreeze(container: TestContainer): Promise<void> {
  using handle = new Container(container.name, container.lxcPath);

  await handle.freeze();
  const frozen = await handle.state();
  await handle.unfreeze();

  assert.deepEqual([frozen, await handle.state()], ["FROZEN", "RUNNING"]);
}

async function testConsole(container: TestContainer): Promise<void> {
  using handle = new Container(container.name, container.lxcPath);
  execIn(container, ["sh", "-c", "echo on the console > /dev/console"]);

  const text = new TextDecoder().decode(await handle.consoleLog({}));
  await handle.consoleLog({ clear: true, read: false });

  assert.match(text, /on the console/);
  assert.equal((await handle.consoleLog({})).length, 0);
}

async function testStartTwice({ helper, lxcPath, name }: TestContainer): Promise<void> {
  const result = await runHelper(helper, ["start", lxcPath, name, `${lxcPath}/${name}/config`]);

  assert.equal(result.code, 1);
  assert.notEqual(result.stderr, "");
}

Deno.test("Container without a configuration beside it needs one to freeze", async () => {
  using directory = temporaryDirectory();
  await using container = await startBusybox(directory.path);
  const config = hostPath(`${container.lxcPath}/lxc.conf`);
  Deno.renameSync(`${container.lxcPath}/${container.name}/config`, config);
  using bare = new Container(container.name, container.lxcPath);
  using loaded = new Container(container.name, container.lxcPath, config);

  await assert.rejects(bare.freeze(), { name: "LxcError" });
  await loaded.freeze();
  const frozen = await bare.state();
  await loaded.unfreeze();

  await bare.stop();

  assert.equal(frozen, "FROZEN");
});

Deno.test("processEnd() notices the end of a container's init", async () => {
  using directory = temporaryDirectory();
  await using container = await startBusybox(directory.path);
  using end = processEnd(container.init);
  using handle = new Container(container.name, container.lxcPath);

  await handle.stop();
  await end.ended;

  assert.equal(await handle.initPid(), undefined);
});
