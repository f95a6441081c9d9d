/** LXD's suites of snapshots with the backend lvm: thin, and without a thin pool. */
import { compatSuites } from "./compat.ts";

compatSuites("lvm", ["snapshots", "snap_restore"]);
