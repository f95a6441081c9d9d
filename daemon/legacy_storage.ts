/** What the storage keys of LXD 2.0 do: make or find the pool and let the default profile use it. */
import { LEGACY_STORAGE_KEYS } from "#api/config/legacy_storage_keys.ts";
import { checkPoolChange, checkPoolConfig } from "#api/config/pool_keys.ts";
import { Undo } from "#base/undo.ts";
import { writeConfig } from "#daemon/db/config.ts";
import { getProfile, updateProfile } from "#daemon/db/profiles.ts";
import { getPool, insertPool, listPools, type Pool } from "#daemon/db/storage_pools.ts";
import type { ServerConfig, SettingEffect } from "./server_settings.ts";
import type { Services } from "./services.ts";
import type { Pools } from "./storage/pools.ts";
import { planLegacyPool } from "./storage/legacy.ts";

interface LegacyDeps {
  readonly services: Pick<Services, "db" | "instances">;
  readonly pools: Pools;
  readonly onError: (what: string, error: unknown) => void;
}

/** @see LXD doc/server.md, storage.lvm_vg_name and its like */
export function legacyStorage(deps: LegacyDeps): SettingEffect {
  return {
    keys: Object.keys(LEGACY_STORAGE_KEYS),
    apply: (next, before) => applyLegacy(deps, next, before),
  };
}

async function applyLegacy(
  { services, pools, onError }: LegacyDeps,
  next: ServerConfig,
  before: ServerConfig,
): Promise<void> {
  const { db } = services;
  const plan = planLegacyPool(before, next, await db.read((tx) => listPools(tx)));
  if (plan === undefined) return;
  await using undo = new Undo((step, error) => onError(`undo: ${step}`, error));
  if (plan.kind === "create") {
    const pool = { ...plan.pool, description: "" };
    checkPoolConfig(pool.driver, pool.config);
    await pools.create(
      pool,
      (config) => db.write((tx) => insertPool(tx, { ...pool, config })),
    );
    undo.add("remove the pool", async () => {
      const made = await db.read((tx) => getPool(tx, pool.name));
      await pools.remove(made, async () => {
        await db.write((tx) => tx.run("DELETE FROM storage_pools WHERE id = ?", made.id));
      });
    });
  } else if (Object.keys(plan.config).length > 0) {
    const pool = await db.read((tx) => getPool(tx, plan.name));
    await configure(pool, { ...pool.config, ...plan.config });
    undo.add("the pool's keys of before", () => configure(pool, pool.config));
  }
  await useInDefaultProfile(services, plan.kind === "create" ? plan.pool.name : plan.name);
  undo.keep();

  async function configure(pool: Pool, config: ServerConfig): Promise<void> {
    checkPoolConfig(pool.driver, config);
    checkPoolChange(pool.driver, pool.config, config);
    await pools.update(
      pool,
      config,
      (whole) => db.write((tx) => writeConfig(tx, "storage_pools", pool.id, whole)),
    );
  }
}

/** @throws {Fault} bad_request if instances have their root there already */
async function useInDefaultProfile({ db, instances }: LegacyDeps["services"], pool: string) {
  const before = await db.read((tx) => getProfile(tx, "default", "default"));
  const [name = "root", root] =
    Object.entries(before.devices).find(([, one]) =>
      one["type"] === "disk" && one["path"] === "/"
    ) ?? [];
  if (root?.["pool"] === pool) return;
  const next = {
    ...before,
    devices: { ...before.devices, [name]: { ...root, type: "disk", path: "/", pool } },
  };
  await instances.checkProfileChange("default", "default", next);
  await db.write((tx) => updateProfile(tx, before.id, next));
  await instances.applyProfileChange("default", "default", before);
}
