/** Configuration keys of storage pools and volumes: a table for all drivers, and one for each. */
import { Fault, messageOf } from "#base/errors.ts";
import { suggest } from "#base/suggest.ts";
import { isFalse, isTrue, parseBytes } from "#base/units.ts";
import { type Check, expiry, schedule } from "./instance_checks.ts";

export interface PoolKey {
  readonly type: "string" | "bool" | "size" | "integer";
  readonly summary: string;
  readonly default?: string;
  /** It is set when the pool or volume is made and stays; "disk": of volumes that are disks. */
  readonly isFixed?: true | "disk";
  readonly values?: readonly string[];
  /** Besides the check of the type. */
  readonly check?: Check;
}

type Keys = Readonly<Record<string, PoolKey>>;

export const POOL_KEYS: Keys = {
  "rsync.bwlimit": {
    type: "size",
    summary: "Rate limit of transfers to other servers, as rsync(1) takes it",
  },
  "rsync.compression": {
    type: "bool",
    default: "true",
    summary: "Compress transfers to other servers",
  },
  "source": {
    type: "string",
    summary: "Directory, block device, subvolume, volume group or dataset that holds the pool",
    isFixed: true,
  },
  "volatile.initial_source": { type: "string", summary: "Source given at creation", isFixed: true },
};

const LOOP_SIZE: PoolKey = {
  type: "size",
  default: "20% of the free space, 5GiB to 30GiB",
  summary: "Size of the loop file; it can be raised later",
};

export const POOL_DIR_KEYS: Keys = {
  "dir.clone": {
    type: "string",
    values: ["auto", "overlay", "reflink", "copy"],
    default: "auto",
    summary: "How instances are made from images and from each other",
  },
};

export const POOL_BTRFS_KEYS: Keys = {
  "btrfs.mount_options": {
    type: "string",
    default: "user_subvol_rm_allowed",
    summary: "Mount options of a block device or loop file",
  },
  "size": LOOP_SIZE,
};

export const POOL_LVM_KEYS: Keys = {
  "lvm.thinpool_metadata_size": {
    type: "size",
    default: "0: automatic",
    summary: "Size of the metadata of the thin pool",
    isFixed: true,
  },
  "lvm.thinpool_name": {
    type: "string",
    default: "LXDThinPool",
    summary: "Thin pool in which volumes are made",
  },
  "lvm.use_thinpool": {
    type: "bool",
    default: "true",
    summary: "Make volumes in a thin pool: snapshots and clones cost nothing",
    isFixed: true,
  },
  "lvm.vg.force_reuse": {
    type: "bool",
    default: "false",
    summary: "Use an existing volume group although it is not empty",
  },
  "lvm.vg_name": { type: "string", default: "name of the pool", summary: "Volume group" },
  "size": LOOP_SIZE,
};

export const POOL_ZFS_KEYS: Keys = {
  "size": LOOP_SIZE,
  "zfs.clone_copy": {
    type: "string",
    values: ["true", "false", "rebase"],
    default: "true",
    summary: "Copy by clones; rebase: on the image; false: by whole data",
  },
  "zfs.export": { type: "bool", default: "true", summary: "Export the zpool at shutdown" },
  "zfs.pool_name": {
    type: "string",
    default: "name of the pool",
    summary: "Zpool or dataset",
    isFixed: true,
  },
};

export const VOLUME_KEYS: Keys = {
  "security.shifted": { type: "bool", summary: "Share between instances of different id maps" },
  "security.unmapped": { type: "bool", summary: "Never map ids" },
  "size": { type: "size", summary: "Size limit" },
  "snapshots.expiry": { type: "string", check: expiry, summary: "Lifetime of snapshots" },
  "snapshots.pattern": { type: "string", summary: "Names of snapshots" },
  "snapshots.schedule": { type: "string", check: schedule, summary: "When snapshots are taken" },
};

export const VOLUME_LVM_KEYS: Keys = {
  "block.filesystem": {
    type: "string",
    values: ["ext4", "xfs", "btrfs"],
    default: "ext4",
    summary: "File system of new volumes",
    isFixed: true,
  },
  "block.mount_options": { type: "string", default: "discard", summary: "How volumes are mounted" },
  "lvm.stripes": {
    type: "integer",
    summary: "Stripes of new volumes, or of a new thin pool as a whole",
    isFixed: true,
  },
  "lvm.stripes.size": {
    type: "size",
    summary: "Size of a stripe, at least 4096 bytes",
    isFixed: true,
  },
};

export const VOLUME_ZFS_KEYS: Keys = {
  "zfs.blocksize": {
    type: "size",
    check: blockSize,
    summary: "Record size, a power of two from 512 to 16MiB; of a disk its blocks, at most 128KiB",
    isFixed: "disk",
  },
  "zfs.remove_snapshots": {
    type: "bool",
    default: "false",
    summary: "Remove later snapshots when an older one is restored",
  },
  "zfs.reserve_space": { type: "bool", default: "false", summary: "Reserve the size" },
  "zfs.use_refquota": {
    type: "bool",
    default: "false",
    summary: "The size limits the volume without its snapshots",
  },
};

/** Keys of pools and of their volumes, by driver. */
const DRIVER_KEYS: Readonly<Record<string, { readonly pool: Keys; readonly volume: Keys }>> = {
  dir: { pool: POOL_DIR_KEYS, volume: {} },
  btrfs: { pool: POOL_BTRFS_KEYS, volume: {} },
  lvm: { pool: POOL_LVM_KEYS, volume: VOLUME_LVM_KEYS },
  zfs: { pool: POOL_ZFS_KEYS, volume: VOLUME_ZFS_KEYS },
};

function volumeKeys(driver: string): Keys {
  return { ...VOLUME_KEYS, ...DRIVER_KEYS[driver]?.volume };
}

/** What of a pool decides on the keys of its volumes. */
interface KeysOf {
  readonly driver: string;
  readonly config: Readonly<Record<string, string>>;
}

/** A thin pool has its stripes as a whole: `volume.*` of the pool, and no volume of its own. */
const STRIPES = ["lvm.stripes", "lvm.stripes.size"];

const isThin = ({ driver, config }: KeysOf) =>
  driver === "lvm" && !isFalse(config["lvm.use_thinpool"]);

/** @throws {Fault} bad_request */
export function checkPoolConfig(driver: string, config: Readonly<Record<string, string>>): void {
  const volume = Object.fromEntries(
    Object.entries(volumeKeys(driver)).map(([key, row]) => [`volume.${key}`, row]),
  );
  check("storage pool", { ...POOL_KEYS, ...DRIVER_KEYS[driver]?.pool, ...volume }, config);
}

/** What LXD writes down for itself; it comes back with a volume's configuration. */
const OF_SERVER = ["volatile.idmap.last", "volatile.idmap.next"];
/** An instance decides on these for its own volume. */
const OF_CUSTOM = ["security.shifted", "security.unmapped", "size"];

/**
 * @param type "custom", or the kind of instance or image that it belongs to.
 * @throws {Fault} bad_request
 */
export function checkVolumeConfig(
  pool: KeysOf,
  type: string,
  config: Readonly<Record<string, string>>,
): void {
  const keys = Object.entries(volumeKeys(pool.driver))
    .filter(([key]) => type === "custom" || !OF_CUSTOM.includes(key));
  const given = Object.entries(config).filter(([key]) => !OF_SERVER.includes(key));
  const striped = STRIPES.find((key) => isThin(pool) && (config[key] ?? "") !== "");
  if (striped !== undefined) {
    throw new Fault("bad_request", `${striped} cannot be used with thin pool volumes`, {
      hint: `A thin pool is striped when it is made: give the new pool volume.${striped}.`,
    });
  }
  check("storage volume", Object.fromEntries(keys), Object.fromEntries(given));
}

/**
 * The configuration that a new volume gets: its own over the pool's `volume.*`, of the keys that its
 * driver knows.
 */
export function newVolumeConfig(
  pool: KeysOf,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  const all = Object.entries(pool.config).flatMap(([key, value]): [string, string][] =>
    key.startsWith("volume.") && value !== "" ? [[key.slice("volume.".length), value]] : []
  );
  return { ...Object.fromEntries(all.filter(([key]) => hasKey(pool, key))), ...own };
}

function hasKey(pool: KeysOf, key: string): boolean {
  return Object.hasOwn(volumeKeys(pool.driver), key) && !(isThin(pool) && STRIPES.includes(key));
}

/**
 * Of a volume that comes from a pool of perhaps another driver: what this one knows, as LXD does. Other
 * keys would mean nothing, and be refused at the next change.
 */
export function fittingConfig(
  pool: KeysOf,
  config: Readonly<Record<string, string>>,
): Record<string, string> {
  const isKept = (key: string) =>
    key.startsWith("user.") || OF_SERVER.includes(key) || hasKey(pool, key);
  return Object.fromEntries(Object.entries(config).filter(([key]) => isKept(key)));
}

/** Keys of a pool that can't change. @throws {Fault} bad_request */
export function checkPoolChange(
  driver: string,
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): void {
  const keys = { ...POOL_KEYS, ...DRIVER_KEYS[driver]?.pool };
  for (const [key, row] of Object.entries(keys)) {
    if (row.isFixed !== true || (before[key] ?? "") === (after[key] ?? "")) continue;
    throw new Fault("bad_request", `Storage pool "${key}" cannot be changed`, {
      hint: "It is fixed when the pool is made.",
    });
  }
}

/**
 * Keys of a volume that can't change. As in LXD they may be taken away, which changes nothing on disk.
 *
 * @throws {Fault} bad_request
 */
export function checkVolumeChange(
  driver: string,
  volume: {
    readonly type: string;
    readonly contentType: string;
    readonly config: Readonly<Record<string, string>>;
  },
  after: Readonly<Record<string, string>>,
): void {
  for (const [key, { isFixed }] of Object.entries(volumeKeys(driver))) {
    const isSame = [volume.config[key] ?? "", ""].includes(after[key] ?? "");
    const isOfThis = isFixed === true || isFixed === "disk" && volume.contentType === "block";
    if (isSame || !isOfThis) continue;
    const whose = volume.type === "custom" ? "Custom" : "Instance";
    throw new Fault("bad_request", `${whose} volume "${key}" property cannot be changed`, {
      hint: "It is fixed when the volume is made: make another one, and copy the content.",
    });
  }
}

function check(what: string, keys: Keys, config: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(config)) {
    if (/^user\../.test(key)) continue;
    const row = keys[key];
    if (row === undefined) {
      const near = suggest(key, Object.keys(keys));
      throw new Fault("bad_request", `Invalid option for ${what}: "${key}"`, {
        hint: near === undefined
          ? `Keys: ${Object.keys(keys).join(", ")}.`
          : `Did you mean "${near}"?`,
      });
    }
    if (value !== "") checkValue(key, row, value);
  }
}

function checkValue(key: string, row: PoolKey, value: string): void {
  if (row.type === "bool" && !isTrue(value) && !isFalse(value)) {
    throw new Fault("bad_request", `Invalid value "${value}" for "${key}": want true or false`);
  }
  if (row.type === "size") named(key, () => parseBytes(value));
  if (row.type === "integer" && !/^\d+$/.test(value)) {
    throw new Fault("bad_request", `Invalid value "${value}" for "${key}": want a number`);
  }
  if (row.values !== undefined && !row.values.includes(value)) {
    throw new Fault("bad_request", `Invalid value "${value}" for "${key}"`, {
      hint: `Values: ${row.values.join(", ")}.`,
    });
  }
  named(key, () => row.check?.(value));
}

/** Say which key a value was for. @throws {Fault} bad_request */
function named(key: string, checkIt: () => void): void {
  try {
    checkIt();
  } catch (error) {
    const hint = error instanceof Fault ? error.hint : undefined;
    throw new Fault("bad_request", `Invalid value for option "${key}": ${messageOf(error)}`, {
      cause: error,
      ...hint !== undefined && { hint },
    });
  }
}

/** @throws {Fault} bad_request */
function blockSize(value: string): void {
  const bytes = parseBytes(value);
  if (Number.isInteger(Math.log2(bytes)) && bytes >= 512 && bytes <= 16 * 2 ** 20) return;
  throw new Fault("bad_request", `invalid size "${value}" of blocks`, {
    hint: "Give a power of two from 512 to 16MiB.",
  });
}
