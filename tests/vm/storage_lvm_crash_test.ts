/** The driver `lvm` that dies in front of its effects. The rename moves one logical volume after another. */
import { MIB } from "#tests/suites/storage_tools.ts";
import { lvmCrashSuite } from "./lvm.ts";

lvmCrashSuite("lvm (thin, ext4)", { config: {}, sizeBytes: 64 * MIB, stride: 6 });
