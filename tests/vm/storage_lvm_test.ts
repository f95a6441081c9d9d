/** The driver `lvm` with a thin pool, on a volume group on a loop file. */
import { MIB } from "#tests/suites/storage_tools.ts";
import { lvmSuite } from "./lvm.ts";

lvmSuite("lvm (thin, ext4)", { config: {}, sizeBytes: 64 * MIB });
