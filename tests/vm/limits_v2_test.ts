/** Limits on cgroup v2: from the start, changed live, lifted, and read back. */
import assert from "node:assert/strict";
import type { InstanceRecord } from "#daemon/instances/record.ts";
import { change, get, launch, make, pidOf } from "#tests/kernel/instance_actions.ts";
import { newWorld, type World } from "#tests/kernel/instance_world.ts";
import { isMet } from "./needs.ts";

const MIB = 2 ** 20;
const NAME = "v2";

/** A file of the container's group: that of its init, or above it where init made one of its own. */
function cgroupFile(world: World, instance: InstanceRecord, file: string): string {
  const text = Deno.readTextFileSync(`/proc/${pidOf(world, instance)}/cgroup`);
  const path = /^0::(.*lxc\.payload\.[^/\n]+)/m.exec(text)?.[1];
  return Deno.readTextFileSync(`/sys/fs/cgroup${path}/${file}`).trim();
}

async function testLimits(): Promise<void> {
  // Disks are limited: /tmp is none.
  Deno.env.set("TMPDIR", "/var/tmp");
  await using world = await newWorld();
  const instance = await launch(world, NAME, {
    config: {
      ...{ "limits.memory": "100MiB", "limits.memory.swap": "false", "limits.processes": "77" },
      ...{ "limits.cpu.allowance": "20ms/100ms", "limits.cpu.priority": "5" },
    },
    devices: { root: { type: "disk", path: "/", pool: "default", "limits.read": "10MB" } },
  });
  const value = (file: string) => cgroupFile(world, instance, file);
  const set = async (config: Record<string, string>) => {
    await change(world, await get(world, NAME), { config });
  };

  const old = await make(world, `${NAME}old`, { config: { "image.requirements.cgroup": "v1" } });
  await assert.rejects(world.actions.start(old, {}), /requires a CGroupV1 host/);

  assert.equal(value("memory.max"), String(100 * MIB));
  assert.equal(value("pids.max"), "77");
  assert.equal(value("cpu.max"), "20000 100000");
  assert.equal(value("cpu.weight"), "95");
  assert.match(value("io.max"), / rbps=10000000 /);
  const state = await world.actions.fullState(
    await get(world, NAME),
    world.actions.state(instance.id),
  );
  assert.equal(state.memory?.total, 100 * MIB);
  assert.ok((state.memory?.usage ?? 0) > 0 && (state.cpu?.usage ?? 0) > 0);
  assert.equal(state.processes, Number(value("pids.current")));

  await set({ "limits.memory.enforce": "soft", "limits.cpu.allowance": "50%" });
  assert.deepEqual([value("memory.max"), value("memory.high")], ["max", String(100 * MIB)]);
  assert.deepEqual([value("cpu.max"), value("cpu.weight")], ["max 100000", "45"]);
  await set({ "limits.memory": "10%", "limits.memory.enforce": "hard", "limits.processes": "" });
  assert.ok(Number(value("memory.max")) < 2 ** 30);
  assert.deepEqual([value("memory.high"), value("pids.max")], ["max", "max"]);
  await set({ "limits.memory": "", "limits.cpu.allowance": "", "limits.cpu.priority": "" });
  assert.deepEqual([value("memory.max"), value("cpu.weight")], ["max", "100"]);

  await world.actions.freeze(await get(world, NAME), {});
  assert.equal(value("cgroup.freeze"), "1");
  assert.equal(world.actions.state(instance.id).status, "frozen");
  await world.actions.unfreeze(await get(world, NAME), {});
  assert.equal(value("cgroup.freeze"), "0");
  assert.deepEqual(world.failures, []);
}

if (isMet("cgroup v2")) {
  Deno.test("cgroup v2: limits hold from the start, change live and are lifted", testLimits);
}
