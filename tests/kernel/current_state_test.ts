/** What the API tells of an instance is so now, also where somebody else changed it. */
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";

const NAME = `now${Deno.pid}`;
const AT = `/1.0/instances/${NAME}`;

let world: InstanceDaemon;
Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 36 });
  await world.launch(NAME);
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const state = () => world.api.get(`${AT}/state`);

/** As the list and the instance itself tell it. */
async function statuses(): Promise<string[]> {
  const [one, list, { status }] = await Promise.all([
    world.api.get(AT),
    world.api.get("/1.0/instances?recursion=2"),
    state(),
  ]);
  return [one.status, list[0].status, list[0].state.status, status];
}

/** Directory of a process's control group: that of the controller, or the only one. */
async function cgroupOf(controller: string, pid: number): Promise<string> {
  const groups = await Deno.readTextFile(`/proc/${pid}/cgroup`);
  const v1 = new RegExp(`^\\d+:${controller}:(.*)$`, "m").exec(groups)?.[1];
  return v1 === undefined
    ? `/sys/fs/cgroup${/^0::(.*)$/m.exec(groups)?.[1]}`
    : `/sys/fs/cgroup/${controller}${v1}`;
}

/** Processes that are in a network namespace. */
function networkUsers(network: string): string[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => name).filter((name) => {
    try {
      return Deno.readLinkSync(`/proc/${name}/ns/net`) === network;
    } catch {
      return false; // Ignored: no process, or it has ended.
    }
  });
}

/** A process of ours that ends with its block. */
const ending = (child: Deno.ChildProcess) => ({
  pid: child.pid,
  async [Symbol.asyncDispose]() {
    child.kill("SIGKILL");
    await child.status;
  },
});

/** A count of the disk may be this old. */
const COUNTED_MS = 1100;

const all = (status: string) => [status, status, status, status];

Deno.test("state: who is frozen and thawed by the cgroup's file is told so, and can be resumed", async () => {
  const { pid } = await state();
  const groups = await Deno.readTextFile(`/proc/${pid}/cgroup`);
  const v1 = /^\d+:freezer:(.*)$/m.exec(groups)?.[1];
  const [file, frozen, thawed] = v1 === undefined
    ? [`/sys/fs/cgroup${/^0::(.*)$/m.exec(groups)?.[1]}/cgroup.freeze`, "1", "0"]
    : [`/sys/fs/cgroup/freezer${v1}/freezer.state`, "FROZEN", "THAWED"];

  const freeze = async () => {
    // The v1 freezer is there in a moment, or after a second push.
    const isThere = () => v1 === undefined || Deno.readTextFileSync(file).trim() === frozen;
    do await Deno.writeTextFile(file, frozen); while (!isThere());
  };

  await freeze();
  assert.deepEqual(await statuses(), all("Frozen"));
  await Deno.writeTextFile(file, thawed);
  assert.deepEqual(await statuses(), all("Running"));
  await freeze();
  await world.setState(NAME, "unfreeze");

  assert.deepEqual(await statuses(), all("Running"));
});

Deno.test("state: an address that was added inside is there at once, and gone with it", async () => {
  // Of the loopback: a DHCP client flushes other interfaces when it likes.
  const { pid } = await state();
  const inside = ["nsenter", "-t", `${pid}`, "-n", "--", "ip", "addr"];
  const addresses = async () =>
    (await state()).network.lo.addresses.map(({ address }: { address: string }) => address);

  await must([...inside, "add", "198.51.100.7/24", "dev", "lo"]);
  assert.ok((await addresses()).includes("198.51.100.7"));
  await must([...inside, "del", "198.51.100.7/24", "dev", "lo"]);

  assert.ok(!(await addresses()).includes("198.51.100.7"));
});

Deno.test("state: counters are those of now", async () => {
  const before = await state();
  const script = "x=0; while [ $x -lt 100000 ]; do x=$((x+1)); done;" +
    " head -c 20000000 /dev/zero > /run/fill; sleep 1000 & sleep 1000 &";

  await world.api.do("POST", `${AT}/exec`, { command: ["sh", "-c", script], interactive: false });

  const after = await state();
  assert.equal(after.processes, before.processes + 2);
  assert.ok(after.cpu.usage - before.cpu.usage > 10_000_000, `${after.cpu.usage}`);
  assert.ok(after.memory.usage - before.memory.usage > 15_000_000, `${after.memory.usage}`);
});

Deno.test("state: counters of network, disk and processes are those of now, changed from outside too", async () => {
  const before = await state();
  const net = ["nsenter", "-t", `${before.pid}`, "-n", "--"];
  const address = before.network.eth0.addresses
    .find(({ family }: { family: string }) => family === "inet")?.address ?? "10.247.36.77";
  await must([...net, "ip", "addr", "replace", `${address}/24`, "dev", "eth0"]);
  const fromHost = ["nsenter", "-t", `${world.daemon.pid}`, "-n", "--"];
  const pids = `${await cgroupOf("pids", before.pid)}/cgroup.procs`;
  await using guest = ending(new Deno.Command("sleep", { args: ["1000"] }).spawn());

  await must([...fromHost, "ping", "-c3", "-i0.2", "-s1000", address]);
  await Deno.writeFile(`/proc/${before.pid}/root/root/fill`, new Uint8Array(3_000_000));
  await Deno.writeTextFile(pids, `${guest.pid}`);

  await new Promise((resolve) => setTimeout(resolve, COUNTED_MS));
  const after = await state();
  const [was, is] = [before.network.eth0.counters, after.network.eth0.counters];
  assert.ok(is.packets_received >= was.packets_received + 3, JSON.stringify(is));
  assert.ok(is.bytes_received >= was.bytes_received + 3000, JSON.stringify(is));
  assert.ok(is.bytes_sent >= was.bytes_sent + 3000, JSON.stringify(is));
  assert.equal(after.processes, before.processes + 1);
  assert.ok(after.disk.root.usage - before.disk.root.usage >= 3_000_000, `${after.disk.root}`);
  await Deno.remove(`/proc/${before.pid}/root/root/fill`);
  await new Promise((resolve) => setTimeout(resolve, COUNTED_MS));
  assert.ok((await state()).disk.root.usage < after.disk.root.usage);
});

Deno.test("state: the memory that it may have is that of the control group now", async () => {
  const { pid, memory } = await state();
  const groups = await Deno.readTextFile(`/proc/${pid}/cgroup`);
  const file = /^\d+:memory:/m.test(groups) ? "memory.limit_in_bytes" : "memory.max";
  const limit = `${await cgroupOf("memory", pid)}/${file}`;

  await Deno.writeTextFile(limit, `${256 * 2 ** 20}`);

  assert.equal((await state()).memory.total, 256 * 2 ** 20);
  await Deno.writeTextFile(limit, file === "memory.max" ? "max" : "-1");
  assert.equal((await state()).memory.total, memory.total);
});

Deno.test("state: an init that was killed from outside is told at once", async () => {
  const { pid } = await state();
  const network = await Deno.readLink(`/proc/${pid}/ns/net`);
  assert.match(await Deno.readTextFile(`/proc/${pid}/cmdline`), /init/);

  // It is the child of a monitor that this test's own daemon has started.
  Deno.kill(pid, "SIGKILL");

  const end = performance.now() + 5000;
  while ((await state()).status !== "Stopped") {
    assert.ok(performance.now() < end, "it never came to be");
  }
  assert.deepEqual(await statuses(), all("Stopped"));
  const now = await state();
  assert.equal(now.pid, 0);
  assert.deepEqual(now.network, {});
  assert.deepEqual(networkUsers(network), [], "nobody keeps its network");
});
