/**
 * Server keys of LXD 2.0 that named the one place where containers live. They still do: the pool is made
 * or found, and the default profile uses it. Pools have taken their place; the client says how.
 */
import { parseBytes } from "#base/units.ts";
import type { ServerKey } from "./server_keys.ts";

export type LegacyDriver = "lvm" | "zfs";

export interface LegacyKey {
  readonly driver: LegacyDriver;
  /** The key of a pool that says the same. */
  readonly poolKey: string;
  readonly row: ServerKey;
}

const row = (summary: string, more: Partial<ServerKey> = {}): ServerKey => ({
  type: "string",
  summary: `As in LXD 2.0: ${summary}`,
  ...more,
});

function size(value: string): void {
  parseBytes(value);
}

function fileSystem(value: string): void {
  if (!["btrfs", "ext4", "xfs"].includes(value)) throw new Error("want one of btrfs, ext4, xfs");
}

export const LEGACY_STORAGE_KEYS: Readonly<Record<string, LegacyKey>> = {
  "storage.lvm_fstype": {
    driver: "lvm",
    poolKey: "volume.block.filesystem",
    row: row("file system of new logical volumes", { check: fileSystem }),
  },
  "storage.lvm_mount_options": {
    driver: "lvm",
    poolKey: "volume.block.mount_options",
    row: row("mount options of logical volumes"),
  },
  "storage.lvm_thinpool_name": {
    driver: "lvm",
    poolKey: "lvm.thinpool_name",
    row: row("thin pool in the volume group"),
  },
  "storage.lvm_vg_name": {
    driver: "lvm",
    poolKey: "source",
    row: row("volume group that holds containers and images"),
  },
  "storage.lvm_volume_size": {
    driver: "lvm",
    poolKey: "volume.size",
    row: row("size of new logical volumes", { check: size }),
  },
  "storage.zfs_pool_name": {
    driver: "zfs",
    poolKey: "source",
    row: row("ZFS pool or dataset that holds containers and images"),
  },
  "storage.zfs_remove_snapshots": {
    driver: "zfs",
    poolKey: "volume.zfs.remove_snapshots",
    row: row("a restore may remove later snapshots", { type: "bool" }),
  },
  "storage.zfs_use_refquota": {
    driver: "zfs",
    poolKey: "volume.zfs.use_refquota",
    row: row("a size limits the volume without its snapshots", { type: "bool" }),
  },
};

/** "source": it names the place itself. */
export const PLACE_KEYS: Readonly<Record<LegacyDriver, string>> = {
  lvm: "storage.lvm_vg_name",
  zfs: "storage.zfs_pool_name",
};

/** How one says it now: a command. undefined for keys that are none of these. Pure. */
export function modernWay(key: string, value: string): string | undefined {
  const legacy = LEGACY_STORAGE_KEYS[key];
  if (legacy === undefined || value === "") return undefined;
  const { driver, poolKey } = legacy;
  return poolKey === "source"
    ? `lxc storage create <pool> ${driver} source=${value}`
    : `lxc storage set <pool> ${poolKey} ${value}`;
}
