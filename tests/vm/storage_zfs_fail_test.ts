/** The driver `zfs` whose steps fail: every eighth, others each time. */
import { failSuite } from "#tests/suites/storage_fail.ts";
import { isMet } from "./needs.ts";
import { openZfs } from "./zfs.ts";

if (isMet("zfs")) failSuite("zfs", () => openZfs({}), { stride: 8 });
