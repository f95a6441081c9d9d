/** Configuration keys of storage pools and volumes. */
import { Fault } from "#base/errors.ts";
import { suggest } from "#base/suggest.ts";
import { isFalse, isTrue } from "#base/units.ts";

export interface PoolKey {
  readonly type: "string" | "bool";
  readonly summary: string;
  readonly default?: string;
  readonly effect?: "later";
  /** May it change after creation? */
  readonly isFixed?: true;
  readonly values?: readonly string[];
}

export const POOL_DIR_KEYS: Readonly<Record<string, PoolKey>> = {
  "dir.clone": {
    type: "string",
    values: ["auto", "overlay", "reflink", "copy"],
    default: "auto",
    summary: "How instances are made from images and from each other",
  },
  "rsync.bwlimit": { type: "string", summary: "Rate limit of transfers", effect: "later" },
  "rsync.compression": { type: "bool", summary: "Compress transfers", effect: "later" },
  "source": { type: "string", summary: "Directory that holds the pool", isFixed: true },
  "volatile.initial_source": { type: "string", summary: "Source given at creation", isFixed: true },
};

export const VOLUME_KEYS: Readonly<Record<string, PoolKey>> = {
  "security.shifted": { type: "bool", summary: "Share between instances of different id maps" },
  "security.unmapped": { type: "bool", summary: "Never map ids" },
  "size": { type: "string", summary: "Size limit" },
  "snapshots.expiry": { type: "string", summary: "Lifetime of snapshots", effect: "later" },
  "snapshots.pattern": { type: "string", summary: "Names of snapshots", effect: "later" },
  "snapshots.schedule": { type: "string", summary: "When snapshots are taken", effect: "later" },
};

/** @throws {Fault} bad_request */
export function checkPoolConfig(config: Readonly<Record<string, string>>): void {
  const volume = Object.fromEntries(
    Object.entries(VOLUME_KEYS).map(([key, row]) => [`volume.${key}`, row]),
  );
  check("storage pool", { ...POOL_DIR_KEYS, ...volume }, config);
}

/** @throws {Fault} bad_request */
export function checkVolumeConfig(config: Readonly<Record<string, string>>): void {
  check("storage volume", VOLUME_KEYS, config);
  if ((config["size"] ?? "") !== "") {
    throw new Fault("bad_request", 'the key "size" needs a pool that can limit volumes', {
      hint: "This pool's file system has no project quotas: leave size unset.",
    });
  }
}

function check(
  what: string,
  keys: Readonly<Record<string, PoolKey>>,
  config: Readonly<Record<string, string>>,
): void {
  for (const [key, value] of Object.entries(config)) {
    if (key.startsWith("user.") && key.length > 5) continue;
    const row = keys[key];
    if (row === undefined) {
      const near = suggest(key, Object.keys(keys));
      throw new Fault("bad_request", `Invalid option for ${what}: "${key}"`, {
        hint: near === undefined
          ? `Keys: ${Object.keys(keys).join(", ")}.`
          : `Did you mean "${near}"?`,
      });
    }
    if (value === "") continue;
    if (row.type === "bool" && !isTrue(value) && !isFalse(value)) {
      throw new Fault("bad_request", `Invalid value "${value}" for "${key}": want true or false`);
    }
    if (row.values !== undefined && !row.values.includes(value)) {
      throw new Fault("bad_request", `Invalid value "${value}" for "${key}"`, {
        hint: `Values: ${row.values.join(", ")}.`,
      });
    }
  }
}
