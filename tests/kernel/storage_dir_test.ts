/** The driver `dir` on the file system of this machine, by overlays and by copies. */
import assert from "node:assert/strict";
import { hostPath } from "#base/brand.ts";
import { storageSuite } from "#tests/suites/storage.ts";
import { fullDiskSuite } from "#tests/suites/storage_full.ts";
import { quotaSuite } from "#tests/suites/storage_quota.ts";
import { container, fromImage, read } from "#tests/suites/storage_tools.ts";
import { openDir, openSmallDir } from "./storage_places.ts";

Deno.test("dir (overlay): a view of what ran is gone after a crash", async () => {
  await using place = await openDir("overlay");
  const { driver, base } = place;
  await fromImage(driver, container("a"));
  await driver.present(container("a"), { idmap: null, plainRoot: false });
  const view = await driver.view(container("a"));
  assert.equal(await read(hostPath(`${view.path}/rootfs`), "bin/tool"), "image");

  const next = await place.reopen();
  await next.close();

  assert.deepEqual([...Deno.readDirSync(`${base}/pool/trash`)], []);
});

for (const clone of ["overlay", "copy"] as const) {
  storageSuite(`dir (${clone})`, () => openDir(clone));
  fullDiskSuite(`dir (${clone})`, () => openSmallDir(clone));
  quotaSuite(`dir (${clone})`, () => openDir(clone));
}
