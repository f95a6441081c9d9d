/** What every storage driver must do when its pool is full. */
import assert from "node:assert/strict";
import type { OpenPlace } from "./storage.ts";
import {
  container,
  custom,
  fill,
  fromImage,
  MIB,
  read,
  refused,
  rootfsOf,
  sizeOf,
  write,
} from "./storage_tools.ts";

/**
 * A pool that is full: what does not fit is refused before it is copied, or leaves nothing; the others are
 * unharmed and usable as soon as there is space.
 *
 * @param open A pool of some 400 MiB.
 */
export function fullDiskSuite(driver: string, open: OpenPlace): void {
  Deno.test(`${driver}: a full pool refuses and harms nobody`, async () => {
    await using place = await open();
    const { driver: pool } = place;
    await write(await fromImage(pool, container("a")), "value", "1");
    await pool.create(custom("big"));
    const big = await pool.mount(custom("big"));
    await fill(`${big}/data`, 64 * MIB);
    await pool.create(custom("rest"));
    const rest = await pool.mount(custom("rest"));

    await assert.rejects(fill(`${rest}/data`, 1024 * MIB), /os error (28|122)/);

    if (pool.can.snapshot === "copy") {
      await refused("no_space", pool.copy(custom("copy"), custom("big")));
      await refused("no_space", pool.snapshot(custom("big"), "s"));
      assert.deepEqual(await pool.listSnapshots(custom("big")), []);
    }
    await assert.rejects(pool.ensureImage("beef", async (directory) => {
      await fill(`${directory}/data`, 1024 * MIB);
    }));
    const names = (await pool.list("custom")).map(({ name }) => name).toSorted();
    assert.deepEqual(names, ["default_big", "default_rest"]);
    assert.equal(await sizeOf(`${big}/data`), 64 * MIB);
    assert.equal(await read(await rootfsOf(pool, container("a")), "value"), "1");

    await pool.remove(custom("rest"));
    await pool.close(); // What is removed in the background is gone.
    await place.settle?.();
    const again = await place.reopen();
    await again.copy(custom("copy"), custom("big"));
    assert.equal(await sizeOf(`${await again.mount(custom("copy"))}/data`), 64 * MIB);
    await again.snapshot(container("a"), "s");
    await write(await rootfsOf(again, container("a")), "value", "2");
    await again.restore(container("a"), "s");
    assert.equal(await read(await rootfsOf(again, container("a")), "value"), "1");
  });
}
