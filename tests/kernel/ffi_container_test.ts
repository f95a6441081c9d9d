/** The helper and liblxc on a real unprivileged busybox container. Needs root. */
import assert from "node:assert/strict";
import { type HostPath, hostPath } from "#base/brand.ts";
import { processEnd } from "#ffi/libc/exit_watch.ts";
import { pipe } from "#ffi/libc/fd.ts";
import { reap, spawn } from "#ffi/libc/process.ts";
import { Container } from "#ffi/liblxc/container.ts";
import { EXEC_STEPS } from "./ffi_exec_steps.ts";
import {
  BASE_ID,
  execIn,
  openDescriptors,
  readAll,
  readOr,
  runHelper,
  startBusybox,
  temporaryDirectory,
  type TestContainer,
} from "./ffi_support.ts";

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

    for (const [title, run] of EXEC_STEPS) await step(title, () => run(container));
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
