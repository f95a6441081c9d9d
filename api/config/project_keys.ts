/** Configuration keys of projects. */
import { Fault, messageOf } from "#base/errors.ts";
import { parseSubnet } from "#base/ip.ts";
import { listOf } from "#base/list.ts";
import { suggest } from "#base/suggest.ts";
import {
  architecture,
  boolValue,
  bytesValue,
  type Check,
  compression,
  intValue,
  uint32Value,
  wordOf,
} from "./instance_checks.ts";

export interface ProjectKey {
  readonly summary: string;
  readonly default?: string;
  readonly check?: Check;
  readonly effect?: "later";
}

export const PROJECT_FEATURES = [
  "features.images",
  "features.profiles",
  "features.storage.volumes",
  "features.networks",
] as const;

const count = (summary: string): ProjectKey => ({ summary, check: uint32Value });

/** A restriction: "block" and what else it may be. */
const restriction = (summary: string, ...words: string[]): ProjectKey => ({
  summary,
  default: "block",
  check: wordOf("block", ...(words.length === 0 ? ["allow"] : words)),
});

const MAX_ID = 2 ** 32 - 1;

const ranges: Check = (value) => {
  for (const range of listOf(value)) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || last < Number(match[1]) || last > MAX_ID) {
      throw new Error("want ids and ranges of ids such as 1000,2000-2999");
    }
  }
};

const absolutePaths: Check = (value) => {
  for (const path of listOf(value)) {
    if (!path.startsWith("/")) throw new Error("want absolute paths, separated by commas");
  }
};

/** "<uplink>:<subnet>,..." */
const uplinkSubnets: Check = (value) => {
  for (const part of listOf(value)) {
    const [uplink = "", ...rest] = part.split(":");
    if (uplink === "" || parseSubnet(rest.join(":")) === undefined) {
      throw new Error("want <uplink>:<subnet>, separated by commas");
    }
  }
};

const LATER = { effect: "later" } as const;

export const PROJECT_KEYS: Readonly<Record<string, ProjectKey>> = {
  "backups.compression_algorithm": { summary: "Compression of backups", check: compression },
  "features.images": { summary: "Images of its own", check: boolValue, default: "true" },
  "features.networks": { summary: "Networks of its own", check: boolValue, default: "false" },
  "features.profiles": { summary: "Profiles of its own", check: boolValue, default: "true" },
  "features.storage.volumes": {
    summary: "Storage volumes of its own",
    check: boolValue,
    default: "true",
  },
  "images.auto_update_cached": { summary: "Refresh cached images", check: boolValue },
  "images.auto_update_interval": { summary: "Hours between refreshes", check: intValue },
  "images.compression_algorithm": {
    summary: "Compression of published images",
    check: compression,
  },
  "images.default_architecture": {
    summary: "Architecture for images of remotes",
    check: architecture,
  },
  "images.remote_cache_expiry": {
    summary: "Days until an unused cached image goes",
    check: intValue,
  },
  "limits.containers": count("Most containers"),
  "limits.cpu": count("Sum of limits.cpu of its instances"),
  "limits.disk": { summary: "Sum of sizes of its volumes and images", check: bytesValue },
  "limits.instances": count("Most instances"),
  "limits.memory": { summary: "Sum of limits.memory of its instances", check: bytesValue },
  "limits.networks": count("Most networks"),
  "limits.processes": count("Sum of limits.processes of its instances"),
  "limits.virtual-machines": count("Most virtual machines"),
  "restricted": { summary: "Apply the keys below", check: boolValue, default: "false" },
  "restricted.backups": restriction("Backups of instances and volumes"),
  "restricted.cluster.groups": { summary: "Cluster groups that may be targets", ...LATER },
  "restricted.cluster.target": restriction("Choosing the cluster member"),
  "restricted.containers.interception": restriction(
    "Interception of system calls: block, allow what is safe, or full",
    "allow",
    "full",
  ),
  "restricted.containers.lowlevel": restriction("raw.*, volatile.* and the like"),
  "restricted.containers.nesting": restriction("security.nesting"),
  "restricted.containers.privilege": {
    summary: "How privileged containers may be",
    default: "unprivileged",
    check: wordOf("allow", "unprivileged", "isolated"),
  },
  "restricted.devices.disk": {
    summary: "Disks: only the root (block), of pools (managed), or any",
    default: "managed",
    check: wordOf("block", "managed", "allow"),
  },
  "restricted.devices.disk.paths": {
    summary: "Directories of the host that disks may come from",
    check: absolutePaths,
  },
  "restricted.devices.gpu": restriction("GPU devices"),
  "restricted.devices.infiniband": restriction("InfiniBand devices"),
  "restricted.devices.nic": {
    summary: "Nics: none (block), of managed networks (managed), or any",
    default: "managed",
    check: wordOf("block", "managed", "allow"),
  },
  "restricted.devices.pci": restriction("PCI devices"),
  "restricted.devices.proxy": restriction("Proxy devices"),
  "restricted.devices.unix-block": restriction("unix-block devices"),
  "restricted.devices.unix-char": restriction("unix-char devices"),
  "restricted.devices.unix-hotplug": restriction("unix-hotplug devices"),
  "restricted.devices.usb": restriction("USB devices"),
  "restricted.idmap.gid": { summary: "Host groups that raw.idmap may name", check: ranges },
  "restricted.idmap.uid": { summary: "Host users that raw.idmap may name", check: ranges },
  "restricted.networks.access": { summary: "Networks that may be seen and used" },
  "restricted.networks.subnets": {
    summary: "Subnets of uplinks that may be used",
    default: "block",
    check: uplinkSubnets,
    ...LATER,
  },
  "restricted.networks.uplinks": { summary: "Uplinks for networks", default: "block", ...LATER },
  "restricted.networks.zones": { summary: "DNS zones that may be used", default: "block" },
  "restricted.snapshots": restriction("Snapshots of instances and volumes"),
  "restricted.virtual-machines.lowlevel": restriction("raw.* of virtual machines"),
};

/** @throws {Fault} bad_request */
export function checkProjectConfig(config: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(config)) {
    if (key.startsWith("user.") && key.length > 5) continue;
    const row = Object.hasOwn(PROJECT_KEYS, key) ? PROJECT_KEYS[key] : undefined;
    if (row === undefined) {
      const near = suggest(key, Object.keys(PROJECT_KEYS));
      throw new Fault("bad_request", `Invalid project configuration key "${key}"`, {
        hint: near === undefined ? "See the list of project keys." : `Did you mean "${near}"?`,
      });
    }
    if (value === "") continue;
    try {
      if (value.trim() === "" && row.check !== undefined) throw new Error("it is blank");
      row.check?.(value);
    } catch (error) {
      const why = messageOf(error);
      throw new Fault("bad_request", `Invalid project configuration key "${key}" value: ${why}`);
    }
  }
}
