/**
 * The running state of a container: stopped and started, and put back from a snapshot, it goes on where
 * it was. What CRIU can't save or put back is refused, and runs on.
 */
import assert from "node:assert/strict";
import type { InstanceRecord } from "#daemon/instances/record.ts";
import { get, inside, launch } from "#tests/kernel/instance_actions.ts";
import { newWorld, type World } from "#tests/kernel/instance_world.ts";
import { isMet } from "./needs.ts";

/** Counts in its memory; the file only shows it. */
const NO_CONSOLE = "lxc.console.path = none\n";
const COUNTER = NO_CONSOLE + "lxc.init.cmd = /bin/busybox awk " +
  'BEGIN{while(1){i++;print(i)>"/count";close("/count");system("sleep$IFS.1")}}';
const PRIVILEGED = { "security.privileged": "true" };
const FAR = 30;
/** This machine is slow. */
const LIMIT_MS = 30_000;

async function count(world: World, name: string): Promise<number> {
  const instance = await get(world, name);
  try {
    return Number(await Deno.readTextFile(inside(world, instance, "/count")));
  } catch {
    return 0; // Ignored: not yet.
  }
}

async function countsTo(world: World, name: string, least: number): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (await count(world, name) < least) {
    if (performance.now() > end) throw new Error(`${name} does not count to ${least}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const stateOf = async (world: World, instance: InstanceRecord) =>
  world.actions.state((await get(world, instance.name)).id).status;

async function testStopAndStart(): Promise<void> {
  const name = "st";
  // As on a disk: /tmp is none.
  Deno.env.set("TMPDIR", "/var/tmp");
  await using world = await newWorld();
  const instance = await launch(world, name, { config: { ...PRIVILEGED, "raw.lxc": COUNTER } });
  const checkpoints = world.paths.at("checkpoints", `${instance.id}`);
  await countsTo(world, name, FAR);

  await world.actions.takeSnapshot(
    await get(world, name),
    { name: "s", expiresAt: undefined, isStateful: true },
    {},
  );
  const atSnapshot = await count(world, name);
  assert.equal(await stateOf(world, instance), "running");
  assert.equal((await world.actions.getSnapshot(await get(world, name), "s")).isStateful, true);
  await countsTo(world, name, atSnapshot + FAR);
  await world.actions.restore(await get(world, name), "s", { isStateful: true });
  const restored = await count(world, name);
  assert.ok(restored >= FAR && restored < atSnapshot + FAR, `back there: ${restored}`);
  await countsTo(world, name, restored + 5);

  // liblxc does not know the cgroup of what it restored.
  const restoredOne = await get(world, name);
  await assert.rejects(world.actions.stopStateful(restoredOne, {}), /CRIU can't dump/);
  const wish = { name: "t", expiresAt: undefined, isStateful: true };
  await assert.rejects(world.actions.takeSnapshot(restoredOne, wish, {}), /CRIU can't dump/);
  await assert.rejects(world.actions.getSnapshot(restoredOne, "t"), /not found/);
  assert.equal(await stateOf(world, instance), "running");
  await countsTo(world, name, await count(world, name) + 3);
  await world.actions.restart(restoredOne, { isForced: true });
  await countsTo(world, name, FAR);

  await world.actions.stopStateful(await get(world, name), {});
  assert.equal(await stateOf(world, instance), "stopped");
  assert.equal((await get(world, name)).isStateful, true);
  await world.actions.startStateful(await get(world, name), {});
  const after = await count(world, name);
  assert.ok(after >= FAR, `it went on, not anew: ${after}`);
  assert.equal((await get(world, name)).isStateful, false);
  await countsTo(world, name, after + 5);
  await world.actions.stop(await get(world, name), { isForced: true });
  await assert.rejects(
    world.actions.startStateful(await get(world, name), {}),
    /no existing state/,
  );
  await world.actions.deleteSnapshot(await get(world, name), "s", {});
  assert.deepEqual([...Deno.readDirSync(checkpoints)], []);
  assert.deepEqual(world.failures, []);
}

async function testRefused(): Promise<void> {
  Deno.env.set("TMPDIR", "/var/tmp");
  await using world = await newWorld();
  const refused = async (name: string, config: Record<string, string>, why: RegExp) => {
    await launch(world, name, { config });
    await assert.rejects(world.actions.stopStateful(await get(world, name), {}), why);
    assert.equal(world.actions.state((await get(world, name)).id).status, "running");
    await world.actions.stop(await get(world, name), { isForced: true });
  };
  await refused("r1", {}, /privileged containers only/);
  await refused("r2", PRIVILEGED, /console/);
  await assert.rejects(world.actions.stopStateful(await get(world, "r1"), {}), /isn't running/);
  assert.deepEqual(world.failures, []);
}

if (isMet("criu")) {
  Deno.test("stateful: it goes on where it was", testStopAndStart);
  Deno.test("stateful: what can't be put back is not saved", testRefused);
}
