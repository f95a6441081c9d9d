/** Keys of `disk` devices. */
import { boolValue, bytesValue, type Check, uint32Value, wordOf } from "./instance_checks.ts";

export interface DeviceKey {
  readonly check?: Check;
  readonly default?: string;
  readonly isRequired?: true;
  readonly summary: string;
  /** "later": accepted and kept, without an effect yet. */
  readonly effect?: "later";
}

const PROPAGATIONS = [
  "private",
  "shared",
  "slave",
  "unbindable",
  "rprivate",
  "rshared",
  "rslave",
  "runbindable",
] as const;

const rate: Check = (value) => {
  if (!/^\d+iops$/.test(value)) bytesValue(value);
};

export const DISK_KEYS = {
  "boot.priority": {
    check: uint32Value,
    summary: "Boot order of a virtual machine",
    effect: "later",
  },
  "ceph.cluster_name": { default: "ceph", summary: "Name of the Ceph cluster", effect: "later" },
  "ceph.user_name": { default: "admin", summary: "User of the Ceph cluster", effect: "later" },
  "limits.max": { check: rate, summary: "Rate limit for reads and for writes" },
  "limits.read": { check: rate, summary: 'Rate limit for reads a second ("10MB" or "500iops")' },
  "limits.write": { check: rate, summary: 'Rate limit for writes a second ("10MB" or "500iops")' },
  "optional": {
    check: boolValue,
    default: "false",
    summary: "Start without a source that is missing: the old name of required=false",
  },
  "path": { summary: "Where it is mounted inside; a container needs it" },
  "pool": { summary: "Storage pool of the volume" },
  "propagation": {
    check: wordOf(...PROPAGATIONS),
    default: "private",
    summary: "How mounts below spread between host and instance",
  },
  "raw.mount.options": { summary: "Extra mount options" },
  "readonly": { check: boolValue, default: "false", summary: "Mount it read-only" },
  "recursive": {
    check: boolValue,
    default: "false",
    summary: "Take what is mounted below the source too",
  },
  "required": {
    check: boolValue,
    default: "true",
    summary: "Refuse to start if the source is missing",
  },
  "shift": { check: boolValue, default: "false", summary: "Map ids so that they fit inside" },
  "size": {
    check: bytesValue,
    summary: "Quota of the root disk; a pool that can't enforce it refuses it",
  },
  "size.state": { check: bytesValue, summary: "Quota of a virtual machine's state" },
  "source": { summary: "Path on the host, or name of the volume" },
} as const satisfies Record<string, DeviceKey>;
