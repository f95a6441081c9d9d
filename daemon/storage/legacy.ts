/** Which pool the storage keys of LXD 2.0 mean, and how it is configured. Pure. */
import {
  LEGACY_STORAGE_KEYS,
  type LegacyDriver,
  PLACE_KEYS,
} from "#api/config/legacy_storage_keys.ts";
import { Fault } from "#base/errors.ts";

type Config = Readonly<Record<string, string>>;

export interface KnownPool {
  readonly name: string;
  readonly driver: string;
  readonly config: Config;
}

export type LegacyPlan =
  | { readonly kind: "create"; readonly pool: KnownPool }
  /** `config`: what the keys that changed say. */
  | { readonly kind: "use"; readonly name: string; readonly config: Config };

/**
 * undefined: the keys name no place. Keys of a place are kept until one is named.
 *
 * @throws {Fault} bad_request for two places at once, conflict if no name is left for the pool
 */
export function planLegacyPool(
  before: Config,
  next: Config,
  pools: readonly KnownPool[],
): LegacyPlan | undefined {
  const [driver, second] = (["lvm", "zfs"] as const).filter((one) => valueOf(next, one) !== "");
  if (driver === undefined) return undefined;
  if (second !== undefined) {
    throw new Fault(
      "bad_request",
      "storage.lvm_vg_name and storage.zfs_pool_name can't both be set",
      {
        hint: "There may be many pools: lxc storage create <pool> lvm|zfs source=<name>.",
      },
    );
  }
  const place = valueOf(next, driver);
  const found = pools.find((pool) => pool.driver === driver && isAt(pool.config, place));
  if (found !== undefined) {
    return { kind: "use", name: found.name, config: poolConfig(driver, next, before) };
  }
  const name = freeName(place, pools);
  return {
    kind: "create",
    pool: { name, driver, config: { ...poolConfig(driver, next, {}), source: place } },
  };
}

const valueOf = (config: Config, driver: LegacyDriver) => config[PLACE_KEYS[driver]] ?? "";

function isAt(config: Config, place: string): boolean {
  return ["source", "lvm.vg_name", "zfs.pool_name"].some((key) => config[key] === place);
}

/** Keys of a pool out of the legacy ones that differ. "" : unset. */
function poolConfig(driver: LegacyDriver, next: Config, before: Config): Config {
  const config: Record<string, string> = {};
  for (const [key, legacy] of Object.entries(LEGACY_STORAGE_KEYS)) {
    if (legacy.driver !== driver || legacy.poolKey === "source") continue;
    const value = next[key] ?? "";
    if (value !== (before[key] ?? "")) config[legacy.poolKey] = value;
  }
  return config;
}

function freeName(place: string, pools: readonly KnownPool[]): string {
  const names = ["default", place.replaceAll(/[/\s]/g, "-")];
  const free = names.find((name) => pools.every((pool) => pool.name !== name));
  if (free !== undefined) return free;
  throw new Fault("conflict", `there are storage pools "${names.join('" and "')}" already`, {
    hint: "Name the new one yourself: lxc storage create <pool> ...",
  });
}
