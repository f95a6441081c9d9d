import { planLegacyPool } from "./legacy.ts";
import assert from "node:assert/strict";

const DIR = { name: "default", driver: "dir", config: { source: "/x" } };

Deno.test("planLegacyPool() nothing without a place, keys of one wait", () => {
  assert.equal(planLegacyPool({}, { "storage.lvm_fstype": "xfs" }, []), undefined);
});

Deno.test("planLegacyPool() makes a pool with all that the keys say", () => {
  const next = {
    "storage.lvm_vg_name": "lxd",
    "storage.lvm_thinpool_name": "LXDPool",
    "storage.lvm_volume_size": "5GiB",
    "storage.zfs_use_refquota": "true",
  };
  const config = { "lvm.thinpool_name": "LXDPool", "volume.size": "5GiB", source: "lxd" };
  assert.deepEqual(planLegacyPool({}, next, []), {
    kind: "create",
    pool: { name: "default", driver: "lvm", config },
  });
});

Deno.test("planLegacyPool() takes another name when default is taken, and none is an error", () => {
  const next = { "storage.zfs_pool_name": "tank/lxd" };
  const plan = planLegacyPool({}, next, [DIR]);
  assert.ok(plan?.kind === "create");
  assert.equal(plan.pool.name, "tank-lxd");
  const both = [DIR, { ...DIR, name: "tank-lxd" }];
  assert.throws(() => planLegacyPool({}, next, both), /"default" and "tank-lxd" already/);
});

Deno.test("planLegacyPool() uses the pool that is there; only keys that changed change it", () => {
  const pool = {
    name: "fast",
    driver: "zfs",
    config: { source: "/disk", "zfs.pool_name": "tank" },
  };
  const before = { "storage.zfs_pool_name": "tank", "storage.zfs_remove_snapshots": "true" };
  const next = { ...before, "storage.zfs_use_refquota": "true" };
  assert.deepEqual(planLegacyPool(before, next, [DIR, pool]), {
    kind: "use",
    name: "fast",
    config: { "volume.zfs.use_refquota": "true" },
  });
});

Deno.test("planLegacyPool() refuses two places", () => {
  const next = { "storage.zfs_pool_name": "tank", "storage.lvm_vg_name": "lxd" };
  assert.throws(() => planLegacyPool({}, next, []), /can't both be set/);
});
