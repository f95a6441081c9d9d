/** Pools of the driver `lvm`: whose creation fails, and in a group that others use. */
import type { StorageDriver } from "#daemon/storage/driver.ts";
import { customVolume } from "#daemon/storage/volume.ts";
import { testUndone, worldWithoutPools } from "#tests/suites/pool_undo.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { loopDevice } from "./loop.ts";
import { logicalVolumes, makeGroup } from "./lvm.ts";
import { isMet } from "./needs.ts";

const SIZE = 64 * 2 ** 20;

/** Devices, groups and volumes that LVM knows, and which loop devices there are. */
const known = () =>
  Promise.all([
    must(["pvs", "--noheadings", "--options", "pv_name"]),
    must(["vgs", "--noheadings", "--options", "vg_name,vg_tags"]),
    must(["lvs", "--noheadings", "--options", "vg_name,lv_name"]),
    must(["losetup", "--noheadings", "--output", "NAME"]),
  ]);

async function testCreation(): Promise<void> {
  await using world = await worldWithoutPools();
  const [group, own] = [`grp${Deno.pid}`, `own${Deno.pid}`] as const;
  const device = await loopDevice(world.paths.root, "device");
  await makeGroup(world.paths.root, group);
  const configs: readonly Readonly<Record<string, string>>[] = [
    { size: "1GiB", "lvm.vg_name": own },
    { size: "1GiB", "lvm.vg_name": own, "lvm.use_thinpool": "false" },
    { source: device, "lvm.vg_name": own },
    { source: group },
  ];
  for (const [index, config] of configs.entries()) {
    await testUndone(world, { name: `pool${index}`, driver: "lvm", config }, known);
  }
  await must(["vgremove", "--yes", group]);
}

async function testShared(): Promise<void> {
  await using world = await worldWithoutPools();
  const { pools } = world.storage;
  const group = `grp${Deno.pid}`;
  await makeGroup(world.paths.root, group);
  await must(["lvcreate", "--yes", "--size", "64m", "--name", "other", group]);
  await must(["mkfs.ext4", "-q", `/dev/${group}/other`]);
  await must(["mount", `/dev/${group}/other`, "/mnt"]);
  const shared = { source: group, "lvm.vg.force_reuse": "true" };
  let pool = { name: "shared", driver: "lvm", config: shared as Readonly<Record<string, string>> };
  await pools.create(pool, (config) => Promise.resolve(void (pool = { ...pool, config })));

  await testFailures(await pools.driver("shared"), group);

  await pools.remove(pool, () => Promise.resolve());
  assert.deepEqual(await logicalVolumes(group), ["other"]);
  await Deno.writeTextFile("/mnt/file", "1");
  await must(["umount", "/mnt"]);
  await must(["vgremove", "--yes", group]);
}

/** What fails half-way: the name of a snapshot is part of its logical volume's, which may get too long. */
async function testFailures(driver: StorageDriver, group: string): Promise<void> {
  const volume = customVolume("default", "v");
  const snapshot = "s".repeat(40);
  // Where it would be mounted is a file.
  await Deno.writeTextFile(driver.directory(volume), "");
  await assert.rejects(driver.create(volume, { sizeBytes: SIZE }));
  assert.deepEqual(await driver.list("custom"), []);
  await driver.create(volume, { sizeBytes: SIZE });
  await driver.snapshot(volume, snapshot);
  await assert.rejects(driver.rename(volume, `default_${"n".repeat(80)}`), /too long for LVM/);
  assert.deepEqual((await driver.list("custom")).map(({ name }) => name), ["default_v"]);
  assert.deepEqual(await driver.listSnapshots(volume), [snapshot]);
  await driver.rename(volume, "default_w");
  const renamed = customVolume("default", "w");
  assert.deepEqual(await driver.listSnapshots(renamed), [snapshot]);
  // Somebody is in it: what was to take its place goes at once.
  const volumes = await logicalVolumes(group);
  const user = await Deno.create(`${await driver.mount(renamed)}/later`);
  await assert.rejects(driver.restore(renamed, snapshot), /it is in use/);
  assert.deepEqual(await logicalVolumes(group), volumes);
  user.close();
  await driver.restore(renamed, snapshot);
  assert.deepEqual([...Deno.readDirSync(driver.directory(renamed))].map(({ name }) => name), [
    "lost+found",
  ]);
  assert.deepEqual(await logicalVolumes(group), volumes);
  await driver.remove(renamed);
}

if (isMet("lvm")) {
  Deno.test("lvm: what became no pool is as it was", testCreation);
  Deno.test("lvm: a pool comes and goes in a group that others use", testShared);
}
