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
  const { pid } = await state();
  const inside = ["nsenter", "-t", `${pid}`, "-n", "--", "ip", "addr"];
  const addresses = async () =>
    (await state()).network.eth0.addresses.map(({ address }: { address: string }) => address);

  await must([...inside, "add", "198.51.100.7/24", "dev", "eth0"]);
  assert.ok((await addresses()).includes("198.51.100.7"));
  await must([...inside, "del", "198.51.100.7/24", "dev", "eth0"]);

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

Deno.test("state: an init that was killed from outside is told at once", async () => {
  const { pid } = await state();
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
});
