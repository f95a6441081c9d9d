/** Copies between pools of this machine. */
import assert from "node:assert/strict";
import { hostPath } from "#base/brand.ts";
import { copyVolume, refreshVolume, type SnapshotSteps } from "#daemon/storage/transfer.ts";
import {
  container,
  custom,
  disk,
  fill,
  fromImage,
  MIB,
  read,
  readAt,
  rootfsOf,
  write,
  writeAt,
} from "#tests/suites/storage_tools.ts";
import { openDir } from "./storage_places.ts";

/** Nobody has rows of snapshots here. */
const STEPS: SnapshotSteps = {
  remove: (_name, remove) => remove(),
  add: (_name, take) => take(),
};

Deno.test("a container is copied to a pool of another kind with its snapshots, then refreshed", async () => {
  await using from = await openDir("overlay");
  await using to = await openDir("copy");
  const source = { driver: from.driver, volume: container("a") };
  const target = { driver: to.driver, volume: container("b") };
  const rootfs = await fromImage(from.driver, source.volume);
  await write(rootfs, "value", "1");
  await from.driver.snapshot(source.volume, "s1");
  await write(rootfs, "value", "2");
  await Deno.remove(`${rootfs}/link`);

  await copyVolume(target, source, { withSnapshots: true });

  const copy = await rootfsOf(to.driver, target.volume);
  assert.equal(await read(copy, "value"), "2");
  const stat = await Deno.lstat(`${copy}/bin/tool`);
  assert.deepEqual([stat.uid, stat.gid, (stat.mode ?? 0) & 0o7777, stat.nlink], [
    12,
    34,
    0o4755,
    2,
  ]);
  await assert.rejects(Deno.lstat(`${copy}/link`), Deno.errors.NotFound);
  assert.equal(await read(hostPath(`${copy}/..`), "templates/hosts.tpl"), "hello");
  assert.equal(await read(await rootfsOf(to.driver, target.volume, "s1"), "value"), "1");

  await write(rootfs, "value", "3");
  await from.driver.snapshot(source.volume, "s2");
  await refreshVolume(target, source, { missing: ["s2"], extra: ["s1"], steps: STEPS });
  assert.equal(await read(copy, "value"), "3");
  assert.deepEqual(await to.driver.listSnapshots(target.volume), ["s2"]);
});

Deno.test("custom volumes and disks are copied to another pool; a failed copy leaves nothing", async () => {
  await using from = await openDir("overlay");
  await using to = await openDir("copy");
  await from.driver.create(custom("v"));
  await write(await from.driver.mount(custom("v")), "value", "1");
  await from.driver.create(disk("d"), { sizeBytes: 8 * MIB });
  await writeAt(from.driver.diskPath(disk("d")), "abc");

  for (const volume of [custom("v"), disk("d")]) {
    await copyVolume({ driver: to.driver, volume }, { driver: from.driver, volume });
  }

  assert.equal(await read(await to.driver.mount(custom("v")), "value"), "1");
  assert.equal(await readAt(to.driver.diskPath(disk("d"))), "abc");
  assert.equal((await Deno.stat(to.driver.diskPath(disk("d")))).size, 8 * MIB);
  await fill(`${await from.driver.mount(custom("v"))}/big`, 20 * MIB);
  const small = copyVolume({ driver: to.driver, volume: custom("w") }, {
    driver: from.driver,
    volume: custom("v"),
  }, { sizeBytes: 16 * MIB });
  await assert.rejects(small, { kind: "no_space", hint: /^Give it a larger size/ });
  const lost = { driver: from.driver, volume: custom("lost") };
  await assert.rejects(copyVolume({ driver: to.driver, volume: custom("w") }, lost));
  assert.deepEqual((await to.driver.list("custom")).map(({ name }) => name), ["default_v", "p1_d"]);
});

Deno.test("a refresh of a disk clears what the source has cleared", async () => {
  await using from = await openDir("overlay");
  await using to = await openDir("copy");
  const source = { driver: from.driver, volume: disk("d") };
  const target = { driver: to.driver, volume: disk("d") };
  await from.driver.create(disk("d"), { sizeBytes: 8 * MIB });
  await writeAt(from.driver.diskPath(disk("d")), "abc");
  await copyVolume(target, source);
  await writeAt(from.driver.diskPath(disk("d")), "\0\0\0");

  await refreshVolume(target, source, { missing: [], extra: [], steps: STEPS });

  assert.equal(await readAt(to.driver.diskPath(disk("d"))), "\0\0\0");
});
