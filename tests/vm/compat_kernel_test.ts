/** LXD's suites of devices that want modules of the kernel which the hosts of tests may lack. */
import { IN_VM, SUITES } from "#tests/compat/suites.ts";
import { compatSuites } from "./compat.ts";

compatSuites("dir", SUITES.filter((one) => one.elsewhere === IN_VM).map(({ name }) => name));
