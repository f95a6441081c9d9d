/** Where the cgroup controllers of this host are mounted: v1, hybrid or v2. */

export interface CgroupLayout {
  /** Mount point of each v1 controller: memory -> /sys/fs/cgroup/memory. */
  readonly v1: Readonly<Record<string, string>>;
  /** Mount point of cgroup2; undefined on a pure v1 host. */
  readonly v2: string | undefined;
  /** Controllers that cgroup2 has. */
  readonly v2Controllers: readonly string[];
}

const V1_OPTIONS = new Set([
  "cpu",
  "cpuacct",
  "cpuset",
  "memory",
  "devices",
  "freezer",
  "blkio",
  "pids",
  "hugetlb",
  "net_prio",
  "net_cls",
  "perf_event",
]);

/** @param mountinfo /proc/self/mountinfo @param controllers cgroup.controllers of the v2 root */
export function parseLayout(mountinfo: string, controllers: (v2: string) => string): CgroupLayout {
  const v1: Record<string, string> = {};
  let v2: string | undefined;
  for (const line of mountinfo.split("\n")) {
    const [left = "", right = ""] = line.split(" - ");
    const path = left.split(" ")[4] ?? "";
    const [type, , options = ""] = right.split(" ");
    if (type === "cgroup2") v2 ??= path;
    if (type !== "cgroup") continue;
    for (const option of options.split(",")) if (V1_OPTIONS.has(option)) v1[option] ??= path;
  }
  const v2Controllers = v2 === undefined ? [] : controllers(v2).trim().split(/\s+/);
  return { v1, v2, v2Controllers: v2Controllers.filter((name) => name !== "") };
}

/** As this process sees it now. @see proc_pid_mountinfo(5), cgroups(7) */
export function readLayout(): CgroupLayout {
  return parseLayout(
    Deno.readTextFileSync("/proc/self/mountinfo"),
    (v2) => readIfThere(`${v2}/cgroup.controllers`),
  );
}

/** Which version a controller is in; undefined if this host has none of that name. */
export function versionOf(layout: CgroupLayout, controller: string): 1 | 2 | undefined {
  if (layout.v1[controller] !== undefined) return 1;
  return layout.v2Controllers.includes(controller) ? 2 : undefined;
}

/** Directory of a running container for each controller; "" is the v2 hierarchy. */
export type CgroupPaths = ReadonlyMap<string, string>;

/**
 * From /proc/<init>/cgroup. systemd in a container moves itself into a child cgroup, therefore
 * each path ends at the component that liblxc made.
 */
export function containerPaths(layout: CgroupLayout, procCgroup: string): CgroupPaths {
  const paths = new Map<string, string>();
  for (const line of procCgroup.split("\n")) {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    if (match === null) continue;
    const path = /^.*?\/lxc\.payload\.[^/]+/.exec(match[2] ?? "")?.[0];
    if (path === undefined) continue;
    if (match[1] === "") {
      if (layout.v2 !== undefined) paths.set("", layout.v2 + path);
      continue;
    }
    for (const controller of (match[1] ?? "").split(",")) {
      const mount = layout.v1[controller];
      if (mount !== undefined) paths.set(controller, mount + path);
    }
  }
  return paths;
}

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // Ignored: not every cgroup2 mount has controllers.
  }
}
