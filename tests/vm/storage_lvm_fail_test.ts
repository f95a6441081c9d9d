/** The driver `lvm` whose steps fail: every twelfth, others each time. */
import { failSuite } from "#tests/suites/storage_fail.ts";
import { openLvm } from "./lvm.ts";
import { isMet } from "./needs.ts";

if (isMet("lvm")) {
  failSuite("lvm", () => openLvm({ config: {}, sizeBytes: 64 * 2 ** 20 }), { stride: 12 });
}
