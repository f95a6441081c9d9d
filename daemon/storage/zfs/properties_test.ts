import assert from "node:assert/strict";
import { diskArguments, diskBytes, filesystemProperties, limits } from "./properties.ts";

const MIB = 2 ** 20;

Deno.test("limits() includes the snapshots unless zfs.use_refquota", () => {
  const none = ["reservation=none", "refreservation=none"];

  assert.deepEqual(limits(MIB, {}), ["quota=1048576", "refquota=none", ...none]);
  assert.deepEqual(limits(MIB, { "zfs.use_refquota": "true" }), [
    "quota=none",
    "refquota=1048576",
    ...none,
  ]);
  assert.deepEqual(limits(0, { "zfs.reserve_space": "true" }), [
    "quota=none",
    "refquota=none",
    ...none,
  ]);
});

Deno.test("limits() reserves the space that it limits", () => {
  const options = { "zfs.reserve_space": "true" };

  assert.ok(limits(MIB, options).includes("reservation=1048576"));
  assert.ok(
    limits(MIB, { ...options, "zfs.use_refquota": "true" }).includes("refreservation=1048576"),
  );
});

Deno.test("filesystemProperties() limits nothing without a size", () => {
  assert.deepEqual(filesystemProperties(0, {}), ["mountpoint=legacy", "canmount=noauto"]);
  assert.ok(filesystemProperties(0, { "zfs.blocksize": "64KiB" }).includes("recordsize=65536"));
  assert.ok(filesystemProperties(MIB, {}).includes("quota=1048576"));
});

Deno.test("diskArguments() makes sparse disks of whole blocks", () => {
  assert.deepEqual(diskArguments(MIB + 1, {}), ["-s", "-V", `${MIB + 8192}`]);
  assert.deepEqual(diskArguments(MIB, { "zfs.reserve_space": "true" }), ["-V", `${MIB}`]);
  assert.deepEqual(diskArguments(MIB, { "zfs.blocksize": "1MiB" }), [
    ...["-s", "-o", "volblocksize=131072", "-V", `${MIB}`],
  ]);
  assert.equal(diskBytes(0, { size: "8MiB" }), 8 * MIB);
  assert.equal(diskBytes(0, {}), 10 * 1024 * MIB);
});

Deno.test("diskBytes() goes by the blocks that a disk has", () => {
  assert.equal(diskBytes(1, {}, 65536), 65536);
  assert.equal(diskBytes(65536 + 1, { "zfs.blocksize": "16KiB" }, 65536), 2 * 65536);
  assert.equal(diskBytes(1, {}, 512), 8192);
});
