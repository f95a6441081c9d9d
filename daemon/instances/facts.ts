/** What the host can do, read once per daemon, and what may change, read per start. */
import { type HostRange, readHostRange } from "#daemon/idmap/host_range.ts";
import { isFalse, isTrue } from "#base/units.ts";
import { parseCpuList } from "#daemon/cgroup/cpuset.ts";
import { type CgroupLayout, readLayout } from "#daemon/cgroup/layout.ts";
import type { BlockWeight, LimitFacts } from "#daemon/cgroup/limits.ts";

export interface HostFacts {
  readonly limits: LimitFacts;
  readonly layout: CgroupLayout;
  readonly idRange: HostRange;
  /** CPUs that containers may use. */
  readonly cpus: readonly number[];
  readonly hasAppArmor: boolean;
  readonly hasCgroupNamespaces: boolean;
  /** The daemon itself runs in a container. */
  readonly isInUserNamespace: boolean;
  /** Paths of the fixed mounts that exist. */
  readonly existing: ReadonlySet<string>;
  /** Files of lxcfs, empty if it is not mounted. */
  readonly lxcfs: readonly string[];
  /** LXD_UNPRIVILEGED_ONLY: the administrator forbids privileged containers. */
  readonly isUnprivilegedOnly: boolean;
}

/** Mounts of host directories and nodes that every container gets if they exist. */
export const FIXED_DIRECTORIES = [
  "/proc/sys/fs/binfmt_misc",
  "/sys/firmware/efi/efivars",
  "/sys/fs/fuse/connections",
  "/sys/fs/pstore",
  "/sys/kernel/config",
  "/sys/kernel/debug",
  "/sys/kernel/security",
  "/sys/kernel/tracing",
] as const;
export const FIXED_NODES = ["/dev/fuse", "/dev/net/tun"] as const;
const LXCFS = "/var/lib/lxcfs";

/** @throws if /proc or /sys is not mounted. */
export function readFacts(): HostFacts {
  const layout = readLayout();
  const existing = new Set([...FIXED_DIRECTORIES, ...FIXED_NODES].filter(exists));
  return {
    layout,
    limits: {
      layout,
      memoryBytes: memoryBytes(),
      hasMemsw: exists(`${layout.v1["memory"] ?? "/nowhere"}/memory.memsw.limit_in_bytes`),
      blockWeight: blockWeight(layout),
    },
    idRange: readHostRange(),
    cpus: parseCpuList(Deno.readTextFileSync("/sys/devices/system/cpu/online")),
    hasAppArmor: hasAppArmor(),
    hasCgroupNamespaces: exists("/proc/self/ns/cgroup"),
    isInUserNamespace: !Deno.readTextFileSync("/proc/self/uid_map").includes("4294967295"),
    existing,
    lxcfs: readLxcfs(),
    isUnprivilegedOnly: isTrue(Deno.env.get("LXD_UNPRIVILEGED_ONLY")),
  };
}

/** Only groups below the root have the file: where there is none yet, there is nothing to look at. */
function blockWeight(layout: CgroupLayout): BlockWeight | undefined {
  const v1 = layout.v1["blkio"];
  for (const file of ["blkio.weight", "blkio.bfq.weight"] as const) {
    if (v1 !== undefined && exists(`${v1}/${file}`)) return { version: 1, file };
  }
  if (layout.v2 === undefined || !layout.v2Controllers.includes("io")) return undefined;
  for (const file of ["io.weight", "io.bfq.weight"] as const) {
    if (existsBelow(layout.v2, file)) return { version: 2, file };
  }
  return undefined;
}

function existsBelow(root: string, file: string): boolean {
  for (const { name, isDirectory } of Deno.readDirSync(root)) {
    if (isDirectory && exists(`${root}/${name}/${file}`)) return true;
  }
  return false;
}

/** A kernel that has it, a parser, and no administrator who switched it off for us. */
function hasAppArmor(): boolean {
  if (isFalse(Deno.env.get("LXD_SECURITY_APPARMOR"))) return false;
  return exists("/sys/kernel/security/apparmor/profiles") &&
    ["/usr/sbin", "/sbin"].some((folder) => exists(`${folder}/apparmor_parser`));
}

function readLxcfs(): string[] {
  const mounted = Deno.readTextFileSync("/proc/self/mountinfo").split("\n")
    .some((line) => line.split(" ")[4] === LXCFS);
  if (!mounted) return [];
  const files = listNames(`${LXCFS}/proc`).map((name) => `proc/${name}`);
  const cpu = "sys/devices/system/cpu";
  return [...files, ...(exists(`${LXCFS}/${cpu}`) ? [cpu] : [])];
}

function listNames(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].filter((entry) => entry.isFile).map(({ name }) => name)
      .sort();
  } catch {
    return []; // Ignored: lxcfs died; containers start without it.
  }
}

function memoryBytes(): number {
  const match = /^MemTotal:\s+(\d+) kB/m.exec(Deno.readTextFileSync("/proc/meminfo"));
  return Number(match?.[1] ?? 0) * 1024;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false; // Ignored: a path that can't be seen can't be used either.
  }
}
