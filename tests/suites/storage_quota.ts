/** What a driver that enforces sizes must keep true of them, whatever else is done to a volume. */
import assert from "node:assert/strict";
import type { StorageDriver } from "#daemon/storage/driver.ts";
import type { Volume } from "#daemon/storage/volume.ts";
import type { OpenPlace, Place } from "./storage.ts";
import {
  container,
  custom,
  fill,
  fromImage,
  MIB,
  read,
  refused,
  rootfsOf,
  write,
} from "./storage_tools.ts";

const SIZE = 32 * MIB;
const FULL = /os error (28|122)/;

const inside = async (driver: StorageDriver, volume: Volume) =>
  volume.kind === "custom" ? await driver.mount(volume) : await rootfsOf(driver, volume);

const sizeOf = async (driver: StorageDriver, volume: Volume) =>
  (await driver.usage(volume)).totalBytes;

async function tooSmall(
  { driver: pool, takesLess }: Place,
  volume: Volume,
  sizeBytes: number,
): Promise<void> {
  if (takesLess !== true) return await refused("bad_request", pool.resize(volume, sizeBytes));
  const before = await sizeOf(pool, volume);
  await pool.resize(volume, sizeBytes);
  assert.equal(await sizeOf(pool, volume), sizeBytes);
  await assert.rejects(fill(`${await inside(pool, volume)}/more`, MIB), FULL);
  await pool.snapshot(volume, "full");
  await pool.restore(volume, "full");
  assert.equal(await sizeOf(pool, volume), sizeBytes);
  await pool.removeSnapshot(volume, "full");
  await pool.resize(volume, before);
  await Deno.remove(`${await inside(pool, volume)}/more`);
}

/**
 * Register the cases for one driver.
 *
 * @param open A pool with room for some 400 MiB.
 */
export function quotaSuite(driver: string, open: OpenPlace): void {
  for (const [what, make] of [["container", container], ["custom volume", custom]] as const) {
    Deno.test(`${driver}: the limit of a ${what} survives snapshots, restores and renames`, async () => {
      await using place = await open();
      const { driver: pool } = place;
      const volume = make("a");
      await pool.create(volume, { sizeBytes: SIZE });
      await fill(`${await inside(pool, volume)}/first`, 20 * MIB);
      await pool.snapshot(volume, "s");
      await pool.restore(volume, "s");
      const next = make("b");
      await pool.rename(volume, next.name);
      assert.equal(await sizeOf(pool, next), SIZE);
      await assert.rejects(fill(`${await inside(pool, next)}/more`, 40 * MIB), FULL);
      const again = await place.reopen();
      assert.equal(await sizeOf(again, next), SIZE);
      await again.resize(next, 0);
      await fill(`${await inside(again, next)}/more`, 40 * MIB);
      await again.remove(next);
      // The next of this name, and perhaps inode, is not limited.
      await again.create(volume);
      await fill(`${await inside(again, volume)}/more`, 40 * MIB);
    });

    Deno.test(`${driver}: a ${what} is limited later, and its copies as they are told`, async () => {
      await using place = await open();
      const { driver: pool } = place;
      const volume = make("a");
      if (volume.kind === "container") await fromImage(pool, volume);
      else await pool.create(volume);
      await write(await inside(pool, volume), "value", "1");
      await pool.resize(volume, SIZE);
      assert.equal(await read(await inside(pool, volume), "value"), "1");
      await assert.rejects(fill(`${await inside(pool, volume)}/big`, 40 * MIB), FULL);
      await Deno.remove(`${await inside(pool, volume)}/big`);
      await pool.snapshot(volume, "s");

      await pool.copy(make("free"), volume, { withSnapshots: true });
      await pool.copy(make("sized"), volume, { snapshot: "s", sizeBytes: 2 * SIZE });
      await pool.remove(volume);

      assert.equal(await sizeOf(pool, make("free")), 0);
      await fill(`${await inside(pool, make("free"))}/big`, 40 * MIB);
      await tooSmall(place, make("free"), SIZE);
      await pool.restore(make("free"), "s");
      assert.equal(await sizeOf(pool, make("sized")), 2 * SIZE);
      assert.equal(await read(await inside(pool, make("sized")), "value"), "1");
      await assert.rejects(fill(`${await inside(pool, make("sized"))}/big`, 72 * MIB), FULL);
      await tooSmall(place, make("sized"), SIZE);
      await Deno.remove(`${await inside(pool, make("sized"))}/big`);
      await pool.resize(make("sized"), SIZE);
      assert.equal(await read(await inside(pool, make("sized")), "value"), "1");
      await refused("bad_request", pool.create(volume, { sizeBytes: 1 }));
      assert.equal((await pool.list(volume.kind)).length, 2);
    });
  }

  Deno.test(`${driver}: a container that is limited runs, is flattened, and comes back`, async () => {
    await using place = await open();
    const { driver: pool } = place;
    const volume = container("a");
    await pool.ensureImage("cafe", (directory) => Deno.mkdir(`${directory}/rootfs`));
    await pool.createFromImage(volume, "cafe", { sizeBytes: SIZE });
    await write(await inside(pool, volume), "value", "1");
    await pool.snapshot(volume, "s");
    const { path } = await pool.present(volume, { idmap: null, plainRoot: false });
    await assert.rejects(fill(`${path}/big`, 40 * MIB), FULL);
    await Deno.remove(`${path}/big`);
    await pool.snapshot(volume, "running", { freeze: (copy) => copy() });
    await pool.settle(volume);

    await pool.present(volume, { idmap: null, plainRoot: true });
    assert.equal(await read(path, "value"), "1");
    assert.equal(await sizeOf(pool, volume), SIZE);
    await assert.rejects(fill(`${path}/big`, 40 * MIB), FULL);
    await pool.settle(volume);
    for (const name of ["s", "running"]) {
      await pool.restore(volume, name);
      assert.equal(await read(path, "value"), "1");
      assert.equal(await sizeOf(pool, volume), SIZE);
      await assert.rejects(fill(`${path}/big`, 40 * MIB), FULL);
    }
  });
}
