/**
 * Configuration keys of instances. Docs, completion, validation and live update derive from these
 * rows. `effect: "later"` marks a key that is accepted and kept, but does not do anything yet.
 */
import {
  anyValue,
  boolValue,
  bytesOrPercent,
  bytesValue,
  type Check,
  cpuAllowance,
  cpuCountOrSet,
  expiry,
  intBetween,
  intValue,
  kernelLimit,
  moduleNames,
  oneLine,
  processCount,
  rawIdmap,
  schedule,
  uint32Value,
  wordOf,
  yamlMapping,
} from "./instance_checks.ts";
import { CONTAINER, type InstanceKey, LATER, VM } from "./instance_key.ts";
import { SECURITY, SYSCALLS } from "./instance_security.ts";

const MISCELLANEOUS = {
  "agent.nic_config": {
    type: "bool",
    default: "false",
    live: "restart",
    summary: "Set name and MTU of network interfaces inside to those of the devices",
    ...VM,
  },
  "cluster.evacuate": {
    type: "string",
    default: "auto",
    check: wordOf("auto", "migrate", "live-migrate", "stop"),
    live: "nothing-to-do",
    summary: "What happens to the instance when its cluster member is evacuated",
    ...LATER,
  },
  "linux.kernel_modules": {
    type: "string",
    check: moduleNames,
    live: "modules",
    summary: "Kernel modules to load before the start, separated by commas",
    ...CONTAINER,
  },
} as const satisfies Record<string, InstanceKey>;

const BOOT = {
  "boot.autostart": {
    type: "bool",
    live: "nothing-to-do",
    summary: "Start when the daemon starts; unset: if it ran when the daemon stopped",
  },
  "boot.autostart.delay": {
    type: "int",
    default: "0",
    live: "nothing-to-do",
    summary: "Seconds to wait after this instance before the next one is started",
  },
  "boot.autostart.priority": {
    type: "int",
    default: "0",
    live: "nothing-to-do",
    summary: "Order of the start, highest first",
  },
  "boot.host_shutdown_timeout": {
    type: "int",
    default: "30",
    live: "nothing-to-do",
    summary: "Seconds to wait for a clean stop when the host shuts down",
  },
  "boot.stop.priority": {
    type: "int",
    default: "0",
    live: "nothing-to-do",
    summary: "Order of the stop, highest first",
  },
} as const satisfies Record<string, InstanceKey>;

const cloudInit = (summary: string) =>
  ({ type: "string", live: "nothing-to-do", summary }) as const satisfies InstanceKey;

const CLOUD_INIT = {
  "cloud-init.network-config": {
    ...cloudInit("Network configuration for cloud-init"),
    check: yamlMapping,
  },
  "cloud-init.user-data": cloudInit("User data for cloud-init"),
  "cloud-init.vendor-data": cloudInit("Vendor data for cloud-init"),
} as const satisfies Record<string, InstanceKey>;

const hugepages = (size: string) =>
  ({
    type: "bytes",
    live: "cgroup.hugepages",
    summary: `Upper bound on huge pages of ${size}`,
    ...CONTAINER,
  }) as const satisfies InstanceKey;

const LIMITS = {
  "limits.cpu": {
    type: "string",
    check: cpuCountOrSet,
    live: "cgroup.cpuset",
    summary: "Number of CPUs (balanced over the host) or set of CPUs to pin to",
  },
  "limits.cpu.allowance": {
    type: "string",
    default: "100%",
    check: cpuAllowance,
    live: "cgroup.cpu",
    summary: 'Share of CPU time: "50%" under contention, "25ms/100ms" as a hard limit',
    ...CONTAINER,
  },
  "limits.cpu.priority": {
    type: "int",
    default: "10",
    check: intBetween(0, 10),
    live: "cgroup.cpu",
    summary: "CPU priority among instances with the same share (0-10)",
    ...CONTAINER,
  },
  "limits.disk.priority": {
    type: "int",
    default: "5",
    check: intBetween(0, 10),
    live: "cgroup.disk",
    summary: "Priority of the instance's disk requests under load (0-10)",
  },
  "limits.hugepages.64KB": hugepages("64 KiB"),
  "limits.hugepages.1MB": hugepages("1 MiB"),
  "limits.hugepages.2MB": hugepages("2 MiB"),
  "limits.hugepages.1GB": hugepages("1 GiB"),
  "limits.memory": {
    type: "string",
    check: bytesOrPercent,
    live: "cgroup.memory",
    summary: "Upper bound on memory, as a size or a share of the host's memory",
  },
  "limits.memory.enforce": {
    type: "string",
    default: "hard",
    check: wordOf("hard", "soft"),
    live: "cgroup.memory",
    summary: "hard: never more than the limit; soft: more while the host has memory to spare",
    ...CONTAINER,
  },
  "limits.memory.hugepages": {
    type: "bool",
    default: "false",
    live: "restart",
    summary: "Back the memory with huge pages",
    ...VM,
  },
  "limits.memory.swap": {
    type: "bool",
    default: "true",
    live: "cgroup.memory",
    summary: "Whether memory may be swapped out",
    ...CONTAINER,
  },
  "limits.memory.swap.priority": {
    type: "int",
    default: "10",
    check: intBetween(0, 10),
    live: "cgroup.memory",
    summary: "The higher, the less of the instance is swapped out (0-10)",
    ...CONTAINER,
  },
  "limits.network.priority": {
    type: "int",
    default: "0",
    check: intBetween(0, 10),
    live: "network.priority",
    summary: "Priority of the instance's network traffic under load (0-10)",
  },
  "limits.processes": {
    type: "int",
    check: processCount,
    live: "cgroup.processes",
    summary: "Upper bound on processes and threads",
    ...CONTAINER,
  },
} as const satisfies Record<string, InstanceKey>;

const MIGRATION = {
  "migration.incremental.memory": {
    type: "bool",
    default: "false",
    live: "nothing-to-do",
    summary: "Copy memory before the instance is frozen, to keep its pause short",
    ...CONTAINER,
    ...LATER,
  },
  "migration.incremental.memory.goal": {
    type: "int",
    default: "70",
    check: uint32Value,
    live: "nothing-to-do",
    summary: "Percentage of memory that must be in sync before the instance is frozen",
    ...CONTAINER,
    ...LATER,
  },
  "migration.incremental.memory.iterations": {
    type: "int",
    default: "10",
    check: uint32Value,
    live: "nothing-to-do",
    summary: "Upper bound on the passes over memory before the instance is frozen",
    ...CONTAINER,
    ...LATER,
  },
  "migration.stateful": {
    type: "bool",
    default: "false",
    live: "restart",
    summary: "Allow stateful stop, snapshots and live migration",
    ...VM,
  },
} as const satisfies Record<string, InstanceKey>;

const nvidia = (summary: string) =>
  ({
    type: "string",
    check: oneLine,
    live: "restart",
    summary,
    ...CONTAINER,
  }) as const satisfies InstanceKey;

const NVIDIA = {
  "nvidia.driver.capabilities": {
    ...nvidia("Driver features the container needs"),
    default: "compute,utility",
  },
  "nvidia.runtime": {
    type: "bool",
    default: "false",
    live: "restart",
    summary: "Pass the host's NVIDIA driver and CUDA in, by NVIDIA's container tools",
    ...CONTAINER,
  },
  "nvidia.require.cuda": nvidia("Required version of CUDA"),
  "nvidia.require.driver": nvidia("Required version of the driver"),
} as const satisfies Record<string, InstanceKey>;

const RAW = {
  "raw.apparmor": {
    type: "blob",
    live: "apparmor",
    summary: "Lines for the end of the instance's AppArmor profile",
  },
  "raw.idmap": {
    type: "blob",
    check: rawIdmap,
    live: "restart",
    summary: 'Extra id maps, e.g. "both 1000 1000": host ids, then ids inside',
    ...CONTAINER,
  },
  "raw.lxc": {
    type: "blob",
    live: "restart",
    summary: "Lines for the end of lxc.conf",
    ...CONTAINER,
  },
  "raw.qemu": { type: "blob", live: "restart", summary: "Arguments for QEMU", ...VM },
  "raw.qemu.conf": { type: "blob", live: "restart", summary: "Lines for qemu.conf", ...VM },
  "raw.seccomp": {
    type: "blob",
    live: "restart",
    summary: "The whole seccomp policy, instead of the generated one",
    ...CONTAINER,
  },
} as const satisfies Record<string, InstanceKey>;

const SNAPSHOTS = {
  "snapshots.schedule": {
    type: "string",
    check: schedule,
    live: "nothing-to-do",
    summary: "When snapshots are taken: five cron fields, or @daily ...",
  },
  "snapshots.schedule.stopped": {
    type: "bool",
    default: "false",
    live: "nothing-to-do",
    summary: "Whether the schedule holds for a stopped instance too",
  },
  "snapshots.pattern": {
    type: "string",
    default: "snap%d",
    live: "nothing-to-do",
    summary: "Name of snapshots; %d counts up, {{ creation_date }} is the time",
  },
  "snapshots.expiry": {
    type: "string",
    check: expiry,
    live: "nothing-to-do",
    summary: 'When snapshots expire, e.g. "2w 3d"',
  },
} as const satisfies Record<string, InstanceKey>;

export const INSTANCE_KEYS = {
  ...MISCELLANEOUS,
  ...BOOT,
  ...CLOUD_INIT,
  ...LIMITS,
  ...MIGRATION,
  ...NVIDIA,
  ...RAW,
  ...SECURITY,
  ...SYSCALLS,
  ...SNAPSHOTS,
} as const satisfies Record<string, InstanceKey>;

/** What liblxc can limit. @see getrlimit(2) */
const KERNEL_RESOURCES = [
  ...["as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile"],
  ...["nproc", "rss", "rtprio", "rttime", "sigpending", "stack"],
];

/** Keys with a free part, told by their prefix. */
export const INSTANCE_KEY_PREFIXES = {
  "environment.": {
    ending: /^[^\s=\p{Cc}]+$/u,
    type: "string",
    live: "nothing-to-do",
    summary: "Environment variable of init and of exec",
    check: oneLine,
  },
  "image.": {
    type: "string",
    live: "nothing-to-do",
    summary: "Property of the image that the instance was made from",
    check: anyValue,
  },
  "limits.kernel.": {
    endings: KERNEL_RESOURCES,
    type: "string",
    live: "restart",
    summary: `Kernel resource limit: ${KERNEL_RESOURCES.join(", ")}`,
    check: kernelLimit,
    scope: "container",
  },
  "linux.sysctl.": {
    ending: /^[A-Za-z0-9_.\/-]+$/,
    type: "string",
    live: "restart",
    summary: "Kernel parameter set inside the container",
    check: anyValue,
    scope: "container",
  },
  "user.": {
    type: "string",
    live: "nothing-to-do",
    summary: "Free-form data of the user",
    check: anyValue,
  },
} as const satisfies Record<string, InstanceKey>;

/** The check that the type of a row implies. */
export const TYPE_CHECK: Readonly<Record<InstanceKey["type"], Check>> = {
  string: anyValue,
  blob: anyValue,
  bool: boolValue,
  int: intValue,
  bytes: bytesValue,
};
