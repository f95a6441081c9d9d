/** Device nodes in running containers: plugged, unplugged, followed when they come and go. */
import type { InstanceRecord } from "#daemon/instances/record.ts";
import assert from "node:assert/strict";
import { change, get, inside, launch, pidOf } from "./instance_actions.ts";
import { newWorld, openWorld, type World } from "./instance_world.ts";

const hasNode = (world: World, instance: InstanceRecord, path: string) => {
  try {
    return Deno.statSync(inside(world, instance, path)).isCharDevice ?? false;
  } catch {
    return false;
  }
};

/** The watcher tells within milliseconds, where it is not kept from running. */
async function until(isTrue: () => boolean, what: string): Promise<void> {
  for (let step = 0; step < 1000; step++) {
    if (isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(what);
}

async function mknod(path: string): Promise<void> {
  const { success } = await new Deno.Command("mknod", { args: [path, "c", "1", "5"] }).output();
  assert.ok(success);
}

function devicesCgroup(world: World, instance: InstanceRecord): string {
  const text = Deno.readTextFileSync(`/proc/${pidOf(world, instance)}/cgroup`);
  return `/sys/fs/cgroup/devices${/^\d+:devices:(.*)$/m.exec(text)?.[1]}`;
}

const files = (world: World, name: string) =>
  [...Deno.readDirSync(world.paths.at("devices", name))].map((entry) => entry.name).sort();

Deno.test("a node is plugged with its rights, shared, and unplugged without traces", async () => {
  await using world = await newWorld();
  const instance = await launch(world, "c1");
  const zero = { type: "unix-char", source: "/dev/kmsg", path: "/opt/my-node" };

  await change(world, await get(world, "c1"), { devices: { "k-1": { ...zero, mode: "0600" } } });
  const info = Deno.statSync(inside(world, instance, "/opt/my-node"));
  assert.equal((info.mode ?? 0) & 0o777, 0o600);
  assert.deepEqual(files(world, "c1"), ["unix.k--1.opt-my--node"]);
  const rules = () => Deno.readTextFileSync(`${devicesCgroup(world, instance)}/devices.list`);
  assert.match(rules(), /^c 1:11 rwm$/m);
  const both = { "k-1": { ...zero, mode: "0600" }, k2: { ...zero, minor: "5", major: "1" } };
  await change(world, await get(world, "c1"), { devices: both });
  assert.equal(Deno.statSync(inside(world, instance, "/opt/my-node")).rdev, info.rdev);
  await change(world, await get(world, "c1"), { devices: { "k-1": both["k-1"] } });
  assert.ok(hasNode(world, instance, "/opt/my-node"));
  assert.match(rules(), /^c 1:5 rwm$/m, "what every container may use stays allowed");
  await change(world, await get(world, "c1"), { devices: {} });

  assert.equal(hasNode(world, instance, "/opt/my-node"), false);
  assert.throws(() => Deno.lstatSync(inside(world, instance, "/opt/my-node")));
  assert.doesNotMatch(rules(), /^c 1:11 rwm$/m);
  assert.deepEqual(files(world, "c1"), []);
  assert.deepEqual(world.failures, []);
});

Deno.test("a node that is not required is followed, by the next daemon too", async () => {
  await using world = await newWorld();
  const folder = Deno.makeTempDirSync({ prefix: "node-" });
  const source = `${folder}/sub/node`;
  const device = { type: "unix-char", source, path: "/dev/mine", required: "false" };
  const instance = await launch(world, "c1", { devices: { n: device } });
  assert.equal(hasNode(world, instance, "/dev/mine"), false);

  Deno.mkdirSync(`${folder}/sub`);
  await mknod(source);
  await until(() => hasNode(world, instance, "/dev/mine"), "it came");
  Deno.removeSync(source);
  await until(() => !hasNode(world, instance, "/dev/mine"), "it went");
  world.instances.leave();
  const next = await openWorld(world.paths.root, world.helper);
  await mknod(source);
  await next.instances.recover();
  await until(() => hasNode(next, instance, "/dev/mine"), "the next daemon sees it");
  Deno.removeSync(`${folder}/sub`, { recursive: true });
  await until(() => !hasNode(next, instance, "/dev/mine"), "and sees it go");

  await next.actions.stop(instance, { isForced: true });
  await next.instances.stopAll();
  assert.deepEqual(next.failures, []);
  next.db.close();
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("a node with numbers needs none of the host, and has no special bits", async () => {
  await using world = await newWorld();
  const instance = await launch(world, "c1");
  const given = { type: "unix-char", path: "/dev/given", major: "1", minor: "5" };

  const devices = { n: { ...given, required: "false", mode: "4604" } };
  await change(world, await get(world, "c1"), { devices });

  const info = Deno.statSync(inside(world, instance, "/dev/given"));
  assert.equal(info.isCharDevice, true);
  assert.equal((info.mode ?? 0) & 0o7777, 0o604);
});

Deno.test("a node that is missing or of the wrong kind is refused, and nothing is left", async () => {
  await using world = await newWorld();
  const instance = await launch(world, "c1");
  const plug = async (config: Record<string, string>) =>
    await change(world, await get(world, "c1"), { devices: { n: config } });

  await assert.rejects(plug({ type: "unix-char" }), /missing the required "source" or "path"/);
  await assert.rejects(
    plug({ type: "unix-char", path: "/tmp/nowhere" }),
    /path doesn't exist and the major and minor settings are not specified/,
  );
  await assert.rejects(plug({ type: "unix-char", path: "/etc/passwd" }), /is no device node/);
  await assert.rejects(
    plug({ type: "unix-char", path: "/tmp/nowhere", major: "1" }),
    /path doesn't exist and the major and minor settings are not specified/,
  );
  await assert.rejects(plug({ type: "unix-block", path: "/dev/null" }), /is a character device/);
  await assert.rejects(plug({ type: "gpu" }), (error: Error & { hint?: string }) => {
    assert.match(`${error.message} ${error.hint}`, /no graphics card was found Remove the device/);
    return true;
  });
  await assert.rejects(plug({ type: "usb", required: "true" }), /no USB device/);
  await assert.rejects(plug({ type: "tpm", path: "/dev/tpm0", pathrm: "/dev/tpmrm0" }), /vtpmx/);
  const ib = { type: "infiniband", nictype: "physical", parent: "ib0" };
  await assert.rejects(plug(ib), /this host has none/);

  assert.equal(hasNode(world, instance, "/dev/tpm0"), false);
  assert.ok(pidOf(world, instance) > 1);
  assert.deepEqual((await get(world, "c1")).devices, {});
});
