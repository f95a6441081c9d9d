/** The driver `dir` on a file system with project quotas: sizes are enforced. */
import { dirPool } from "#daemon/storage/dir/pool.ts";
import { openPoolPlace } from "#tests/kernel/storage_places.ts";
import { storageSuite } from "#tests/suites/storage.ts";
import { container, custom, fill, MIB, rootfsOf } from "#tests/suites/storage_tools.ts";
import { isMet } from "./needs.ts";
import assert from "node:assert/strict";

if (isMet("project quotas")) {
  for (const clone of ["auto", "copy"]) {
    const open = async () => {
      const place = await openPoolPlace(dirPool, { "dir.clone": clone });
      assert.ok(place.driver.can.quota);
      return { ...place, manyVolumes: 8 };
    };
    storageSuite(`dir (project quota, dir.clone=${clone})`, open);

    Deno.test(`dir (project quota, dir.clone=${clone}): limits survive snapshots, restores, renames and moves of data`, async () => {
      await using place = await open();
      const { driver } = place;
      for (const make of [container, custom]) {
        const volume = make("a");
        const inside = async (one = volume) =>
          one.kind === "custom" ? await driver.mount(one) : await rootfsOf(driver, one);
        await driver.create(volume, { sizeBytes: 32 * MIB });
        await fill(`${await inside()}/first`, 20 * MIB);
        await driver.snapshot(volume, "s");
        await driver.restore(volume, "s");
        const next = make("b");
        await driver.rename(volume, next.name);
        assert.equal((await driver.usage(next)).totalBytes, 32 * MIB);
        await assert.rejects(fill(`${await inside(next)}/more`, 40 * MIB), /os error (28|122)/);
        await driver.resize(next, 0);
        await fill(`${await inside(next)}/more`, 40 * MIB);
        await driver.remove(next);
        // The next of this name, and perhaps inode, is not limited.
        await driver.create(volume);
        await fill(`${await inside()}/more`, 40 * MIB);
        await driver.remove(volume);
      }
    });
  }
}
