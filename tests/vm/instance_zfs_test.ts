/**
 * A container on a pool of the driver `zfs`. Before ZFS 2.2 mounts can't map ids: its files have its ids
 * on disk.
 */
import { writeConfig } from "#daemon/db/config.ts";
import { getPool, listVolumes } from "#daemon/db/storage_pools.ts";
import { get, inside, launch, make, pidOf } from "#tests/kernel/instance_actions.ts";
import { newWorld } from "#tests/kernel/instance_world.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { isMet } from "./needs.ts";

const ZPOOL = `lxdtest${Deno.pid}`;

async function testContainer(): Promise<void> {
  await using world = await newWorld({
    driver: "zfs",
    config: {
      ...{ "size": "2GiB", "zfs.pool_name": ZPOOL, "zfs.export": "false" },
      ...{ "volume.zfs.reserve_space": "true", "volume.zfs.blocksize": "16KiB" },
    },
  });
  const { actions, db } = world;
  const web = await launch(world, "web", { devices: { root: { ...ROOT, size: "300MiB" } } });
  const mark = `${world.paths.root}/storage-pools/default/containers/web/rootfs/etc/mark`;
  const idMap = (await Deno.readTextFile(`/proc/${pidOf(world, web)}/uid_map`)).trim().split(/\s+/);
  const isMapped = await world.storage.instances.mapsIds({
    pool: "default",
    project: "default",
    name: "web",
  });
  await Deno.writeTextFile(inside(world, web, "/etc/mark"), "1");
  await Deno.chown(inside(world, web, "/etc/mark"), Number(idMap[1]), Number(idMap[1]));
  assert.equal((await Deno.stat(mark)).uid, isMapped ? 0 : Number(idMap[1]));
  const columns = "quota,reservation,recordsize";
  assert.equal(
    await must(["zfs", "list", "-Hp", "-o", columns, `${ZPOOL}/containers/web`]),
    `${300 * 2 ** 20}\t${300 * 2 ** 20}\t16384\n`,
  );

  const snapshot = async (name: string) =>
    await actions.takeSnapshot(await get(world, "web"), { name, expiresAt: undefined }, {});
  await snapshot("s1");
  await Deno.writeTextFile(inside(world, web, "/etc/mark"), "2");
  await snapshot("s2");
  await assert.rejects(
    async () => await actions.restore(await get(world, "web"), "s1", {}),
    /Snapshot "s1" cannot be restored due to subsequent snapshot\(s\)/,
  );
  assert.equal(await Deno.readTextFile(inside(world, web, "/etc/mark")), "2");
  await db.write(async (tx) => {
    const [row] = await listVolumes(tx, { pool: "default", name: "web" });
    assert.ok(row !== undefined);
    await writeConfig(tx, "storage_volumes", row.id, { "zfs.remove_snapshots": "true" });
  });
  await actions.restore(await get(world, "web"), "s1", {});
  assert.equal(await Deno.readTextFile(inside(world, await get(world, "web"), "/etc/mark")), "1");
  const left = await actions.snapshots([await get(world, "web")]);
  assert.deepEqual([...left.values()].flat().map(({ name }) => name), ["s1"]);

  await make(world, "twin", { source: { type: "copy", source: "web" } });
  await actions.stop(await get(world, "web"), { isForced: true });
  await actions.delete(await get(world, "web"), {});
  await actions.start(await get(world, "twin"), {});
  assert.equal(await Deno.readTextFile(inside(world, await get(world, "twin"), "/etc/mark")), "1");
  await actions.stop(await get(world, "twin"), { isForced: true });
  await actions.delete(await get(world, "twin"), {});
  const all = await must(["zfs", "list", "-H", "-r", "-o", "name", ZPOOL]);
  assert.ok(!/(containers|deleted\/containers)\/./.test(all), all);
  assert.deepEqual(world.failures, []);

  const pool = await db.read((tx) => getPool(tx, "default"));
  await world.storage.pools.stop(pool);
  assert.ok((await must(["zpool", "list", "-H", "-o", "name"])).includes(ZPOOL), "not exported");
  await world.storage.pools.remove(pool, async () => {
    await db.write((tx) => tx.run("DELETE FROM storage_pools WHERE id = ?", pool.id));
  });
  assert.ok(!(await must(["zpool", "list", "-H", "-o", "name"])).includes(ZPOOL));
}

const ROOT = { type: "disk", path: "/", pool: "default" };

if (isMet("zfs")) {
  Deno.test("zfs: a container runs, is limited, restored, and outlived by its copy", testContainer);
}
