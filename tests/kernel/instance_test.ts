/** Instances on the real kernel: busybox containers from creation to deletion. */
import type { InstanceRecord } from "#daemon/instances/record.ts";
import assert from "node:assert/strict";
import { change, get, inside, launch, make, pidOf } from "./instance_actions.ts";
import { newWorld, openWorld, type World } from "./instance_world.ts";

Deno.test("an instance is launched, confined, stopped and deleted without traces", async () => {
  let folder: string;
  {
    await using world = await newWorld();
    folder = world.paths.at("");
    const instance = await launch(world, "c1", { config: { "environment.FOO": "bar baz" } });

    assert.notEqual(countMounts(folder), 0);
    const pid = pidOf(world, instance);
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    assert.match(status, /^Uid:\t1?0*[1-9]\d{5,}/m);
    assert.match(status, /^Seccomp:\t2/m);
    assert.match(Deno.readTextFileSync(`/proc/${pid}/environ`), /FOO=bar baz/);
    assert.equal(Deno.readTextFileSync(inside(world, instance, "/etc/hostname")).trim(), "c1");
    assert.equal(instance.config["volatile.last_state.power"], "RUNNING");
    assert.equal(instance.config["volatile.apply_template"], undefined);

    await world.actions.stop(instance, { isForced: true });
    assert.equal(world.actions.state(instance.id).status, "stopped");
    await world.actions.delete(await get(world, "c1"), {});
    await assert.rejects(get(world, "c1"), /Instance not found/);
    assert.deepEqual([...Deno.readDirSync(world.paths.at("containers"))], []);
    assert.deepEqual([...Deno.readDirSync(world.paths.at("security/seccomp"))], []);
    assert.deepEqual(world.failures, []);
    assert.deepEqual(world.events, [
      "instance-created",
      "instance-started",
      "instance-stopped",
      "instance-deleted",
    ]);
  }
  assert.equal(countMounts(folder), 0);
});

Deno.test("a clean stop asks init, at once after the start too", async () => {
  await using world = await newWorld();
  const instance = await launch(world, "c1");

  await world.actions.stop(instance, { isForced: false, timeoutMs: 10_000 });

  assert.equal(world.actions.state(instance.id).status, "stopped");
  assert.equal(world.events.at(-1), "instance-shutdown");
});

Deno.test("a stop that takes too long says so, and force works meanwhile", async () => {
  await using world = await newWorld();
  const instance = await launch(world, "c1", { config: { "raw.lxc": "lxc.signal.halt=SIGWINCH" } });
  const slow = world.actions.stop(instance, { isForced: false, timeoutMs: 300 });
  await assert.rejects(slow, /timed out/);

  await world.actions.stop(instance, { isForced: true });

  assert.equal(world.actions.state(instance.id).status, "stopped");
});

Deno.test("restart gives a new init, freeze holds it, both refuse a stopped instance", async () => {
  await using world = await newWorld();
  const instance = await launch(world, "c1");
  const before = pidOf(world, instance);

  await world.actions.restart(instance, { isForced: true });
  assert.notEqual(pidOf(world, instance), before);
  await world.actions.freeze(instance, {});
  assert.equal(world.actions.state(instance.id).status, "frozen");
  await assert.rejects(world.actions.freeze(instance, {}), /already frozen/);
  await world.actions.stop(instance, { isForced: true });

  await assert.rejects(world.actions.stop(instance, { isForced: true }), /already stopped/);
  await assert.rejects(world.actions.freeze(instance, {}), /isn't running/);
  assert.ok(world.events.includes("instance-restarted"));
});

Deno.test("an ephemeral instance is gone after its end", async () => {
  await using world = await newWorld();
  const instance = await launch(world, "e1", { ephemeral: true });

  await world.actions.stop(instance, { isForced: true });

  await assert.rejects(get(world, "e1"), /not found/);
});

Deno.test("a start that fails says why and leaves nothing", async () => {
  await using world = await newWorld();
  const instance = await make(world, "c1", { config: { "raw.lxc": "lxc.init.cmd = /nowhere" } });
  const folder = world.paths.at("");
  const mounts = countMounts(folder);

  await assert.rejects(world.actions.start(instance, {}), /cannot start instance "c1": .*nowhere/);

  assert.equal(world.actions.state(instance.id).status, "stopped");
  assert.equal(countMounts(folder), mounts);
  assert.deepEqual(world.failures, []);
});

Deno.test("limits and the root's hot plugged disks change while it runs", async () => {
  await using world = await newWorld();
  const shared = Deno.makeTempDirSync({ prefix: "ins-share-" });
  Deno.writeTextFileSync(`${shared}/hello`, "world");
  const instance = await launch(world, "c1", { config: { "limits.memory": "128MiB" } });
  const memory = async () => {
    const record = await get(world, "c1");
    const { memory } = await world.actions.fullState(record, world.actions.state(record.id));
    return memory.total;
  };
  assert.equal(await memory(), 128 * 2 ** 20);

  await change(world, instance, {
    config: { "limits.memory": "256MiB", "limits.processes": "50" },
  });
  assert.equal(await memory(), 256 * 2 ** 20);
  await change(world, await get(world, "c1"), {
    config: { "limits.memory": "" },
    devices: { d1: { type: "disk", source: shared, path: "/mnt/shared", readonly: "true" } },
  });
  assert.ok(await memory() > 2 ** 30);
  assert.equal(Deno.readTextFileSync(inside(world, instance, "/mnt/shared/hello")), "world");
  await change(world, await get(world, "c1"), { devices: {} });

  assert.throws(() => Deno.statSync(inside(world, instance, "/mnt/shared/hello")));
  const plugged = { d1: { type: "disk", source: "/nowhere", path: "/mnt" } };
  await assert.rejects(
    change(world, await get(world, "c1"), { devices: plugged }),
    /Missing source/,
  );
  Deno.removeSync(shared, { recursive: true });
});

Deno.test("CPUs are pinned and balanced", async () => {
  await using world = await newWorld();
  const cpus = (instance: InstanceRecord) =>
    /^Cpus_allowed_list:\t(.*)$/m.exec(
      Deno.readTextFileSync(`/proc/${pidOf(world, instance)}/status`),
    )?.[1];

  const pinned = await launch(world, "c1", { config: { "limits.cpu": "0-0" } });
  const counted = await launch(world, "c2", { config: { "limits.cpu": "1" } });

  assert.equal(cpus(pinned), "0");
  assert.notEqual(cpus(counted), "0");
});

Deno.test("a snapshot is restored, copied, renamed and deleted", async () => {
  await using world = await newWorld();
  const instance = await launch(world, "c1", { config: { "user.x": "1" } });
  const name = await world.actions.planSnapshotName(instance, "");
  assert.equal(name, "snap0");
  await world.actions.takeSnapshot(instance, { name, expiresAt: undefined }, {});
  await change(world, await get(world, "c1"), { config: { "user.x": "2" } });
  assert.ok(Deno.statSync(inside(world, instance, "/etc/hostname")).isFile);

  await world.actions.restore(await get(world, "c1"), "snap0", {});
  assert.equal((await get(world, "c1")).config["user.x"], "1");
  assert.equal(world.actions.state(instance.id).status, "running");
  const source = { type: "copy", source: "c1/snap0" };
  await world.actions.create(
    await world.actions.planCreation("default", { name: "c2", source, start: true }),
    {},
  );
  const copy = await get(world, "c2");
  assert.equal(Deno.readTextFileSync(inside(world, copy, "/etc/hostname")).trim(), "c2");
  await world.actions.renameSnapshot(instance, { from: "snap0", to: "first" }, {});
  await world.actions.deleteSnapshot(instance, "first", {});

  assert.equal((await world.actions.snapshots([instance])).size, 0);
  assert.deepEqual(world.failures, []);
});

Deno.test("a stopped instance is renamed, a running one is not", async () => {
  await using world = await newWorld();
  const instance = await launch(world, "c1");
  await assert.rejects(world.actions.rename(instance, "c2", {}), /running instance not allowed/);
  await world.actions.stop(instance, { isForced: true });

  await world.actions.rename(instance, "c2", {});

  await world.actions.start(await get(world, "c2"), {});
  assert.ok(Deno.statSync(world.paths.at("containers", "c2")).isDirectory);
});

Deno.test("a new daemon adopts what runs and undoes what is half made", async () => {
  await using world = await newWorld();
  const instance = await launch(world, "c1");
  const pid = pidOf(world, instance);
  const dead = await launch(world, "c2", { config: { "boot.autostart": "false" } });
  await make(world, "c3");
  await world.db.write((tx) => tx.run("UPDATE instances SET half_made = 1 WHERE name = 'c3'"));

  // A second service on the same directory is what a daemon sees after a SIGKILL of the first.
  world.instances.leave();
  const next = await openWorld(world.paths.root, world.helper);
  await next.instances.recover();

  assert.equal(pidOf(next, instance), pid);
  await assert.rejects(next.actions.get("default", "c3"), /not found/);
  await next.actions.stop(dead, { isForced: true });
  await next.actions.stop(instance, { isForced: true });
  assert.equal(next.actions.state(instance.id).status, "stopped");
  assert.deepEqual(next.failures, []);
  next.db.close();
});

Deno.test("creation refuses what can't be, before anything is made", async () => {
  await using world = await newWorld();
  await make(world, "c1");
  const plan = (body: Parameters<World["actions"]["planCreation"]>[1]) =>
    world.actions.planCreation("default", { source: { type: "none" }, ...body });

  await assert.rejects(plan({ name: "c1" }), /Instance "c1" already exists/);
  await assert.rejects(plan({ name: "-x" }), /Invalid instance name/);
  await assert.rejects(plan({ name: "x", profiles: ["nope"] }), /"nope" doesn't exist/);
  await assert.rejects(plan({ name: "x", profiles: [] }), /No root device could be found/);
  await assert.rejects(plan({ name: "x", source: {} }), /Unknown source type ""/);
  await assert.rejects(plan({ name: "x", config: { "limits.memori": "1" } }), /Unknown config/);
  await assert.rejects(plan({ name: "x", type: "virtual-machine" }), /not supported/);
  assert.match((await plan({})).name, /^[a-z]+-[a-z]+$/);
});

/** Other tests mount and unmount meanwhile. */
function countMounts(folder: string): number {
  const lines = Deno.readTextFileSync("/proc/self/mountinfo").split("\n");
  return lines.filter((line) => line.includes(folder)).length;
}
