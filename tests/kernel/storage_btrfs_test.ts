/** The driver `btrfs` on a loop file. */
import assert from "node:assert/strict";
import { copyVolume } from "#daemon/storage/transfer.ts";
import { storageSuite } from "#tests/suites/storage.ts";
import { fullDiskSuite } from "#tests/suites/storage_full.ts";
import {
  container,
  custom,
  fromImage,
  read,
  rootfsOf,
  write,
} from "#tests/suites/storage_tools.ts";
import { must } from "#tests/world/run.ts";
import { openBtrfs } from "./storage_places.ts";

storageSuite("btrfs", () => openBtrfs());
fullDiskSuite("btrfs", () => openBtrfs("400M"));

Deno.test("a volume that nobody knows stays where a copy by streams wants its name", async () => {
  await using from = await openBtrfs();
  await using to = await openBtrfs();
  const volume = custom("v");
  for (const { driver } of [from, to]) {
    await driver.create(volume);
    await driver.snapshot(volume, "s1");
  }
  await write(await to.driver.mount(volume), "value", "1");

  const copy = copyVolume({ driver: to.driver, volume }, { driver: from.driver, volume }, {
    snapshots: [],
  });
  await assert.rejects(copy, /exists already on this storage pool/);

  assert.equal(await read(await to.driver.mount(volume), "value"), "1");
  assert.deepEqual(await to.driver.listSnapshots(volume), ["s1"]);
  for (const { driver } of [from, to]) await driver.remove(volume);
});

Deno.test("nested subvolumes and their read-only property go with snapshots, restores, copies and streams", async () => {
  await using place = await openBtrfs();
  await using other = await openBtrfs();
  const { driver } = place;
  const volume = container("a");
  const rootfs = await fromImage(driver, volume);
  for (const path of ["a", "a/b", "a/b/c"]) {
    await must(["btrfs", "subvolume", "create", `${rootfs}/${path}`]);
  }
  await write(rootfs, "a/b/c/value", "1");
  await must(["btrfs", "property", "set", `${rootfs}/a/b`, "ro", "true"]);
  await driver.snapshot(volume, "s1");
  await write(rootfs, "a/b/c/value", "2");

  await driver.copy(container("same"), volume, { withSnapshots: true });
  const [source, target] = [{ driver, volume }, { driver: other.driver, volume }];
  await copyVolume(target, source, { withSnapshots: true });

  for (const [where, name] of [[driver, "a"], [driver, "same"], [other.driver, "a"]] as const) {
    const here = await rootfsOf(where, container(name));
    assert.equal(await read(here, "a/b/c/value"), "2");
    await where.restore(container(name), "s1");
    assert.equal(await read(here, "a/b/c/value"), "1");
    await write(here, "a/new", "");
    await write(here, "a/b/c/new", "");
    await assert.rejects(write(here, "a/b/new", ""), /os error 30/);
    await where.remove(container(name));
    assert.deepEqual(await where.listSnapshots(container(name)), []);
  }
  const trash = [
    ...Deno.readDirSync(`${place.base}/pool/trash`),
    ...Deno.readDirSync(`${other.base}/pool/trash`),
  ];
  assert.deepEqual(trash, []);
});
