import assert from "node:assert/strict";
import { checkPoolConfig, checkVolumeChange, checkVolumeConfig } from "./pool_keys.ts";

Deno.test("zfs.blocksize is a power of two in the range of ZFS", () => {
  for (const size of ["512", "64KiB", "16MiB"]) {
    checkVolumeConfig("zfs", "custom", { "zfs.blocksize": size });
    checkPoolConfig("zfs", { "volume.zfs.blocksize": size });
  }
  for (const size of ["256", "64kB", "32MiB", "100000"]) {
    assert.throws(
      () => checkVolumeConfig("zfs", "custom", { "zfs.blocksize": size }),
      /Invalid value/,
    );
  }
});

Deno.test("keys of zfs are none of other drivers", () => {
  assert.throws(
    () => checkVolumeConfig("dir", "custom", { "zfs.blocksize": "64KiB" }),
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
    checkVolumeConfig("dir", "custom", { [key]: value });
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
