/** The driver `dir` on the file system of this machine, by overlays and by copies. */
import { storageSuite } from "#tests/suites/storage.ts";
import { fullDiskSuite } from "#tests/suites/storage_full.ts";
import { openDir, openSmallDir } from "./storage_places.ts";

for (const clone of ["overlay", "copy"] as const) {
  storageSuite(`dir (${clone})`, () => openDir(clone));
  fullDiskSuite(`dir (${clone})`, () => openSmallDir(clone));
}
