/** Pools whose creation fails, and one whose driver has lost its tools. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { probeTag } from "#daemon/storage/block_device.ts";
import { insertPool } from "#daemon/db/storage_pools.ts";
import { testUndone, worldWithoutPools } from "#tests/suites/pool_undo.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { entries } from "#daemon/host/files.ts";
import { mountLoop } from "./storage_places.ts";

const SIZE = "300MiB";

async function temporary() {
  const path = hostPath(await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-given." }));
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function loopDevice(folder: string) {
  const file = `${folder}/device.img`;
  await must(["truncate", "--size=300M", file]);
  const path = (await must(["losetup", "--find", "--show", file])).trim() as HostPath;
  return {
    path,
    [Symbol.asyncDispose]: async () => void await must(["losetup", "--detach", path]),
  };
}

Deno.test("a directory that became no pool is as it was", async () => {
  await using world = await worldWithoutPools();
  await using given = await temporary();
  const own = { name: "own", driver: "dir", config: {} };
  await testUndone(world, own, () => Promise.resolve());
  const other = { name: "given", driver: "dir", config: { source: given.path } };
  await testUndone(world, other, () => entries(given.path));
});

Deno.test("a file, device or subvolume that became no pool of btrfs is as it was", async () => {
  await using world = await worldWithoutPools();
  await using folder = await temporary();
  await testUndone(
    world,
    { name: "file", driver: "btrfs", config: { size: SIZE } },
    () => Promise.resolve(),
  );
  await using device = await loopDevice(folder.path);
  await testUndone(
    world,
    { name: "device", driver: "btrfs", config: { source: device.path } },
    () => probeTag(device.path, "TYPE"),
  );
  const unmount = await mountLoop(folder.path, "300M", ["mkfs.btrfs", "-q"]);
  try {
    const parent = hostPath(`${folder.path}/pool`);
    const made = { name: "made", driver: "btrfs", config: { source: `${parent}/made` } };
    await testUndone(world, made, () => entries(parent));
    const given = hostPath(`${parent}/given`);
    await must(["btrfs", "subvolume", "create", given]);
    const adopted = { name: "given", driver: "btrfs", config: { source: given } };
    await testUndone(world, adopted, () => entries(given));
  } finally {
    await unmount();
  }
});

Deno.test("a pool whose driver lost its tools says what is missing, not what failed without it", async () => {
  await using world = await worldWithoutPools();
  await using empty = await temporary();
  const config = { source: "tank" };
  for (const driver of ["lvm", "zfs"]) {
    await world.db.write((tx) => insertPool(tx, { name: driver, driver, description: "", config }));
  }
  const path = Deno.env.get("PATH") ?? "";
  Deno.env.set("PATH", empty.path);
  try {
    for (const driver of ["lvm", "zfs"]) {
      await assert.rejects(world.storage.pools.driver(driver), {
        kind: "unavailable",
        message: `Storage driver "${driver}" is not available: ${driver} is not installed`,
      });
    }
  } finally {
    Deno.env.set("PATH", path);
  }
});
