/** The driver `dir` on a file system with project quotas: sizes are enforced. */
import { dirPool } from "#daemon/storage/dir/pool.ts";
import { openPoolPlace } from "#tests/kernel/storage_places.ts";
import { storageSuite } from "#tests/suites/storage.ts";
import { crashSuite } from "#tests/suites/storage_crash.ts";
import { quotaSuite } from "#tests/suites/storage_quota.ts";
import { isMet } from "./needs.ts";
import assert from "node:assert/strict";

if (isMet("project quotas")) {
  for (const clone of ["auto", "copy"]) {
    const open = async () => {
      const place = await openPoolPlace(dirPool, { "dir.clone": clone });
      assert.ok(place.driver.can.quota);
      return { ...place, manyVolumes: 8, takesLess: true as const };
    };
    storageSuite(`dir (project quota, dir.clone=${clone})`, open);
    quotaSuite(`dir (project quota, dir.clone=${clone})`, open);
    crashSuite(`dir (project quota, dir.clone=${clone})`, open, {
      isSized: true,
      stride: 10,
      only: /of some size and (restored|made a tree)/,
    });
  }
}
