/** What this host lacks, as warnings: each is raised at a start of the daemon, or settled. */
import type { Database } from "#daemon/db/db.ts";
import {
  pruneWarnings,
  raiseWarning,
  resolveWarnings,
  WARNING_TYPES,
  type WarningName,
} from "#daemon/db/warnings.ts";
import { type CgroupLayout, versionOf } from "#daemon/cgroup/layout.ts";

export interface Shortcoming {
  readonly warning: WarningName;
  readonly message: string;
}

export interface HostView {
  readonly layout: CgroupLayout;
  readonly hasAppArmor: boolean;
  readonly hasMemsw: boolean;
  readonly hasBlockWeight: boolean;
}

/** Pure. */
export function shortcomings(host: HostView): Shortcoming[] {
  const { layout } = host;
  const isUnified = Object.keys(layout.v1).length === 0;
  const has = (controller: string) => versionOf(layout, controller) !== undefined;
  const rows: readonly (readonly [WarningName, boolean, string])[] = [
    ["appArmor", host.hasAppArmor, "containers run without a profile"],
    ["blkio", has("blkio") || has("io"), "I/O limits will be ignored"],
    ["blkioWeight", host.hasBlockWeight, "limits.disk.priority will be ignored"],
    ["cpu", has("cpu"), "CPU time limits will be ignored"],
    ["cpuset", has("cpuset"), "CPU pinning will be ignored"],
    ["cpuacct", has("cpuacct") || isUnified, "CPU accounting will not be available"],
    ["devices", has("devices") || isUnified, "device access control won't work"],
    ["freezer", has("freezer") || isUnified, "pausing and resuming won't work"],
    ["hugetlb", has("hugetlb"), "hugepage limits will be ignored"],
    ["memory", has("memory"), "memory limits will be ignored"],
    ["memorySwap", !has("memory") || isUnified || host.hasMemsw, "swap limits will be ignored"],
    ["netPriority", has("net_prio") || isUnified, "limits.network.priority will be ignored"],
    ["pids", has("pids"), "process limits will be ignored"],
  ];
  return rows.filter(([, isThere]) => !isThere)
    .map(([warning, , message]) => ({ warning, message }));
}

const CHECKED = [
  "appArmor",
  "blkio",
  "blkioWeight",
  "cpu",
  "cpuset",
  "cpuacct",
  "devices",
  "freezer",
  "hugetlb",
  "memory",
  "memorySwap",
  "netPriority",
  "pids",
] as const satisfies readonly WarningName[];

/** Also forgets old warnings that are settled. */
export async function noteShortcomings(db: Database, host: HostView): Promise<void> {
  const found = new Map(shortcomings(host).map(({ warning, message }) => [warning, message]));
  await db.write(async (tx) => {
    await pruneWarnings(tx, new Date());
    for (const warning of CHECKED) {
      const { code } = WARNING_TYPES[warning];
      const message = found.get(warning);
      if (message === undefined) await resolveWarnings(tx, code);
      else await raiseWarning(tx, { code, message });
    }
  });
}
