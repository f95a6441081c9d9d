/** Backups of disks on a pool of the driver `lvm`, whose disks are devices. */
import { volumeBackups } from "#daemon/backups/volumes.ts";
import { createVolume } from "#daemon/storage/custom/service.ts";
import { getVolume, placeOf } from "#daemon/storage/custom/context.ts";
import { takeVolumeSnapshot } from "#daemon/storage/custom/change.ts";
import { newWorld } from "#tests/kernel/instance_world.ts";
import { readAt, sizeOf, writeAt } from "#tests/suites/storage_tools.ts";
import assert from "node:assert/strict";
import { isMet } from "./needs.ts";

const MIB = 2 ** 20;
const volume = (name: string) => ({ pool: "default", project: "default", name });

async function testDisk(): Promise<void> {
  await using world = await newWorld({ driver: "lvm", config: { size: "5GiB" } });
  const { custom } = world.storage;
  const signal = AbortSignal.timeout(300_000);
  const backups = volumeBackups(custom, world.helper);
  const disk = { contentType: "block", description: "", config: { size: "16MiB" } } as const;
  await createVolume(custom, volume("disk"), disk);
  const row = await getVolume(custom, volume("disk"));
  const source = await placeOf(custom, row);
  await source.driver.mount(source.volume);
  await writeAt(source.driver.diskPath(source.volume), "one");
  const snapshot = { name: "s", description: "", expiresAt: "" };
  await takeVolumeSnapshot(custom, volume("disk"), snapshot);
  await writeAt(source.driver.diskPath(source.volume), "two");

  const wish = { name: "b", expiresAt: "", isBare: false, compression: "none", isOptimized: false };
  await backups.make(row, wish, signal);
  const { size } = await Deno.stat(backups.path(row, "b"));
  const plan = await backups.planImport(backups.path(row, "b"), volume("back"));
  await plan.run(signal);

  assert.ok(size < 12 * MIB, `holes are kept: ${size}`);
  const target = await placeOf(custom, await getVolume(custom, volume("back")));
  for (const [state, value] of [[undefined, "two"], ["s", "one"]] as const) {
    await target.driver.mount(target.volume, state);
    const path = target.driver.diskPath(target.volume, state);
    assert.equal(await readAt(path), value);
    assert.equal(await sizeOf(path), 16 * MIB);
  }
  assert.deepEqual(
    [...Deno.readDirSync(world.paths.at("backups"))].map(({ name }) => name).filter((name) =>
      name.startsWith("import-")
    ),
    [],
  );
  for (const one of [source, target]) await one.driver.remove(one.volume);
}

if (isMet("lvm")) {
  Deno.test("lvm: a disk goes into a backup and comes back with its snapshot", testDisk);
}
