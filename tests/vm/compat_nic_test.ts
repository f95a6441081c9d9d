/** LXD's suites of nics that want modules of the kernel which User-Mode-Linux lacks too. */
import { IN_QEMU, SUITES } from "#tests/compat/suites.ts";
import { compatSuites } from "./compat.ts";

compatSuites("dir", SUITES.filter((one) => one.elsewhere === IN_QEMU).map(({ name }) => name));
