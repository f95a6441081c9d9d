/** LXD's suites of snapshots with the backend zfs. */
import { compatSuites } from "./compat.ts";

compatSuites("zfs", ["snapshots", "snap_restore"]);
