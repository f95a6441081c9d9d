/** Programs in a container by the helper's server: steps of ffi_container_test. */
import assert from "node:assert/strict";
import { type Pid, pid as brandPid } from "#base/brand.ts";
import { ExecServer } from "#daemon/guest/exec_server.ts";
import { processEnd } from "#ffi/libc/exit_watch.ts";
import { OwnedFd, socketPair } from "#ffi/libc/fd.ts";
import { changeOwner } from "#ffi/libc/in_root.ts";
import { openPidfd, signalPidfd } from "#ffi/libc/process.ts";
import { openPty, setWindowSize } from "#ffi/libc/pty.ts";
import { Container } from "#ffi/liblxc/container.ts";
import {
  askExec,
  BASE_ID,
  execIn,
  readAll,
  readOr,
  startExec,
  type TestContainer,
  writeAll,
} from "./ffi_support.ts";

const SIGTERM = 15;
const SIGKILL = 9;
const NO_GROUP_CHANGE = 0xffffffff;

type Step = readonly [title: string, run: (container: TestContainer) => void | Promise<void>];

export const EXEC_STEPS: readonly Step[] = [
  ["exec: streams, environment, user and directory", testExec],
  ["exec: exit codes and signals", testExitCodes],
  ["exec: stays confined as the container is", testConfinement],
  ["exec: a signal", testSignal],
  ["exec: a server that ends, and another", testServersEnd],
  ["exec: a server that is killed", testServerKilled],
  ["exec: requests that make no sense", testWrongRequests],
  ["exec: ends when nobody listens any more", testDeafCaller],
  ["exec: does not run what nobody wants any more", testDropped],
  ["exec: shows its environment to nobody", testSecret],
  ["exec: a pty of the container's own devpts", testPty],
  ["exec: a container that does not run", testNotRunning],
];

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
