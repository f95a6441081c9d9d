/** The driver `zfs`: every eighth effect, as the slow machine has it. */
import { crashSuite } from "#tests/suites/storage_crash.ts";
import { isMet } from "./needs.ts";
import { openZfs } from "./zfs.ts";

if (isMet("zfs")) crashSuite("zfs", () => openZfs({}), { stride: 8 });
