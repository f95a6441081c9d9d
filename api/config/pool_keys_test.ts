import assert from "node:assert/strict";
import {
  checkPoolConfig,
  checkVolumeChange,
  checkVolumeConfig,
  fittingConfig,
  newVolumeConfig,
} from "./pool_keys.ts";

const pool = (driver: string, config: Readonly<Record<string, string>> = {}) => ({
  driver,
  config,
});

Deno.test("zfs.blocksize is a power of two in the range of ZFS", () => {
  for (const size of ["512", "64KiB", "16MiB"]) {
    checkVolumeConfig(pool("zfs"), "custom", { "zfs.blocksize": size });
    checkPoolConfig("zfs", { "volume.zfs.blocksize": size });
  }
  for (const size of ["256", "64kB", "32MiB", "100000"]) {
    assert.throws(
      () => checkVolumeConfig(pool("zfs"), "custom", { "zfs.blocksize": size }),
      /Invalid value/,
    );
  }
});

Deno.test("keys of zfs are none of other drivers", () => {
  assert.throws(
    () => checkVolumeConfig(pool("dir"), "custom", { "zfs.blocksize": "64KiB" }),
    /Invalid option/,
  );
  assert.throws(() => checkPoolConfig("lvm", { "zfs.clone_copy": "true" }), /Invalid option/);
  assert.throws(() => checkPoolConfig("zfs", { "zfs.clone_copy": "maybe" }), /Invalid value/);
});

Deno.test("what a volume was made of stays, but its key may be taken away", () => {
  const change = (driver: string, contentType: string, key: string, after: string) => () =>
    checkVolumeChange(driver, { type: "custom", contentType, config: { [key]: "4KiB" } }, {
      [key]: after,
    });
  const refused = /^Custom volume "\S+" property cannot be changed/;
  assert.throws(change("zfs", "block", "zfs.blocksize", "8KiB"), { message: refused });
  assert.throws(change("lvm", "filesystem", "block.filesystem", "xfs"), { message: refused });
  assert.throws(change("lvm", "filesystem", "lvm.stripes", "2"), { message: refused });
  for (const after of ["", "4KiB"]) change("zfs", "block", "zfs.blocksize", after)();
  change("zfs", "filesystem", "zfs.blocksize", "8KiB")();
});

Deno.test("a wrong value is refused with the name of its key", () => {
  const volume = (key: string, value: string) => () =>
    checkVolumeConfig(pool("dir"), "custom", { [key]: value });
  assert.throws(volume("size", "much"), /"size": invalid size "much"/);
  assert.throws(volume("security.shifted", "maybe"), /"maybe" for "security.shifted"/);
  assert.throws(
    volume("snapshots.schedule", "often"),
    /"snapshots.schedule": invalid value "often"/,
  );
  assert.throws(volume("snapshots.expiry", "soon"), /"snapshots.expiry": invalid value "soon"/);
  assert.throws(
    () => checkPoolConfig("btrfs", { "volume.size": "much" }),
    /"volume.size": invalid size "much"/,
  );
});

Deno.test("volumes of a thin pool have no stripes of their own", () => {
  const own = { "lvm.stripes": "2" };
  const thick = { "lvm.use_thinpool": "false", "volume.lvm.stripes": "3" };

  assert.throws(
    () => checkVolumeConfig(pool("lvm"), "custom", own),
    /lvm.stripes cannot be used with thin pool volumes/,
  );
  checkVolumeConfig(pool("lvm", thick), "custom", own);
  assert.deepEqual(newVolumeConfig(pool("lvm", { "volume.lvm.stripes": "3" }), {}), {});
  assert.deepEqual(newVolumeConfig(pool("lvm", thick), {}), { "lvm.stripes": "3" });
});

Deno.test("fittingConfig() leaves out what another driver meant", () => {
  const config = {
    "user.a": "1",
    "volatile.idmap.last": "[]",
    "size": "1GiB",
    "zfs.blocksize": "64KiB",
    "lvm.stripes": "2",
  };
  const { "zfs.blocksize": blocks, "lvm.stripes": stripes, ...plain } = config;

  assert.deepEqual(fittingConfig(pool("dir"), config), plain);
  assert.deepEqual(fittingConfig(pool("zfs"), config), { ...plain, "zfs.blocksize": blocks });
  assert.deepEqual(fittingConfig(pool("lvm"), config), plain);
  const thick = pool("lvm", { "lvm.use_thinpool": "false" });
  assert.deepEqual(fittingConfig(thick, config), { ...plain, "lvm.stripes": stripes });
});
