/** What lies on pools and is not in the database: for `lxd recover`. Changes nothing there. */
import { checkPoolConfig } from "#api/config/pool_keys.ts";
import { checkInstanceConfig } from "#api/config/instance_config.ts";
import { Fault, messageOf } from "#base/errors.ts";
import type { Undo } from "#base/undo.ts";
import { parseBackupYaml, type SavedConfig, type SavedInstance } from "#daemon/backups/index.ts";
import { listInstances } from "#daemon/db/instances.ts";
import { listPools, listVolumes, type Pool } from "#daemon/db/storage_pools.ts";
import { readIfThere } from "#daemon/host/files.ts";
import type { InstanceContext } from "#daemon/instances/context.ts";
import { checkInstanceName } from "#daemon/instances/name.ts";
import { isRunningOnHost } from "#daemon/instances/recover.ts";
import { inProject } from "#daemon/paths.ts";
import { checkVolumeName } from "#daemon/storage/custom/service.ts";
import type { CustomContext } from "#daemon/storage/custom/context.ts";
import type { StorageDriver } from "#daemon/storage/driver.ts";
import type { Volume } from "#daemon/storage/volume.ts";

/** A pool as the caller describes it; one that is in the database is taken as it is there. */
export type NamedPool = Omit<Pool, "id">;

interface Lost {
  readonly pool: string;
  readonly project: string;
  readonly name: string;
  readonly volume: Volume;
  /** Names on disk. */
  readonly snapshots: readonly string[];
}

export interface LostInstance extends Lost {
  readonly saved: SavedConfig & { readonly instance: SavedInstance };
}

export interface LostVolume extends Lost {
  /** What is enforced now; 0: no limit. */
  readonly sizeBytes: number;
}

export interface Findings {
  readonly instances: readonly LostInstance[];
  readonly volumes: readonly LostVolume[];
  /** Pools that the database lacks, as their instances describe them. */
  readonly pools: readonly NamedPool[];
}

/**
 * Pools that are not in the database are started for it; `undo` stops them again.
 *
 * @throws {Fault} bad_request for what is no pool, and for volumes that can't be understood.
 */
export async function scanPools(
  ctx: InstanceContext,
  custom: CustomContext,
  pools: readonly NamedPool[],
  undo: Undo,
): Promise<Findings> {
  const known = await ctx.db.read((tx) => listPools(tx));
  const instances: LostInstance[] = [];
  const volumes: LostVolume[] = [];
  const missing: NamedPool[] = [];
  for (const pool of pools) {
    const isKnown = known.some(({ name }) => name === pool.name);
    if (!isKnown) checkPoolConfig(pool.driver, pool.config);
    const driver = await custom.pools.borrow(pool, undo);
    const found = await lostInstances(ctx, pool.name, driver);
    instances.push(...found);
    volumes.push(...await lostVolumes(custom, pool.name, driver));
    if (!isKnown) missing.push(asSaved(pool, found));
  }
  return { instances, volumes, pools: missing };
}

/** What was said of a pool just now worked: it wins over what its instances remember of it. */
function asSaved(pool: NamedPool, instances: readonly LostInstance[]): NamedPool {
  const saved = instances.map((one) => one.saved.pool)
    .find((one) => one?.name === pool.name && one.driver === pool.driver);
  return {
    ...pool,
    description: pool.description || saved?.description || "",
    config: { ...saved?.config, ...pool.config },
  };
}

async function lostInstances(
  ctx: InstanceContext,
  pool: string,
  driver: StorageDriver,
): Promise<LostInstance[]> {
  const { rows, records } = await ctx.db.read(async (tx) => ({
    rows: await listVolumes(tx, { pool, type: "container" }),
    records: await listInstances(tx),
  }));
  const known = new Set(rows.map(({ project, name }) => inProject(project, name)));
  // Being made or deleted just now: their records come or go.
  for (const one of records) if (one.isHalfMade) known.add(inProject(one.project, one.name));
  const found: LostInstance[] = [];
  for (const volume of await driver.list("container")) {
    if (known.has(volume.name)) continue;
    const { project, name } = parseName(volume.name, "default");
    if (records.some((one) => one.project === project && one.name === name)) {
      throw new Fault("conflict", `Instance "${name}" in project "${project}" exists already`, {
        hint: `Its root is elsewhere than on the storage pool "${pool}": rename it first.`,
      });
    }
    const saved = await readDescription(ctx, driver, volume);
    checkDescription({ pool, project, name }, saved);
    const { instance } = saved;
    const snapshots = await driver.listSnapshots(volume);
    found.push({ pool, project, name, volume, snapshots, saved: { ...saved, instance } });
  }
  return found;
}

async function lostVolumes(
  custom: CustomContext,
  pool: string,
  driver: StorageDriver,
): Promise<LostVolume[]> {
  const rows = await custom.db.read((tx) => listVolumes(tx, { pool, type: "custom" }));
  const known = new Set(rows.map(({ project, name }) => `${project}_${name}`));
  const found: LostVolume[] = [];
  for (const volume of await driver.list("custom")) {
    const { project, name } = parseName(volume.name, "");
    const isBusy = custom.locks.isBusy(`volume ${pool}/${project}/${name}`);
    if (known.has(volume.name) || isBusy || project === "") continue;
    checkVolumeName(name);
    const isSized = driver.can.quota || volume.content === "block";
    const sizeBytes = isSized ? (await driver.usage(volume)).totalBytes : 0;
    const snapshots = await driver.listSnapshots(volume);
    found.push({ pool, project, name, volume, snapshots, sizeBytes });
  }
  return found;
}

/** "project_name"; names of projects have no underscore. Pure. */
export function parseName(onDisk: string, project: string): { project: string; name: string } {
  const at = onDisk.indexOf("_");
  if (at < 0) return { project, name: onDisk };
  return { project: onDisk.slice(0, at), name: onDisk.slice(at + 1) };
}

/** backup.yaml beside the root. One that runs is mounted already, and must not be once more. */
async function readDescription(
  ctx: InstanceContext,
  driver: StorageDriver,
  volume: Volume,
): Promise<SavedConfig> {
  const path = `${driver.directory(volume)}/backup.yaml`;
  try {
    const text = await readIfThere(path) ??
      await readMounted(ctx, driver, volume, path);
    if (text !== undefined) return parseBackupYaml(text);
  } catch (error) {
    throw new Fault("bad_request", `cannot read "${path}": ${messageOf(error)}`, { cause: error });
  }
  throw new Fault("bad_request", `there is no "${path}"`, {
    hint: "Without it nothing is known of the instance: write one, or move its directory away.",
  });
}

async function readMounted(
  ctx: InstanceContext,
  driver: StorageDriver,
  volume: Volume,
  path: string,
): Promise<string | undefined> {
  if (await isRunningOnHost(ctx, volume.name)) return undefined;
  await driver.mount(volume);
  try {
    return await readIfThere(path);
  } finally {
    await driver.unmount(volume);
  }
}

/** @throws {Fault} bad_request */
function checkDescription(
  found: Pick<Lost, "pool" | "project" | "name">,
  saved: SavedConfig,
): asserts saved is LostInstance["saved"] {
  checkInstanceName(found.name);
  const what = `Instance "${found.name}" on pool "${found.pool}" in project "${found.project}"`;
  if (saved.instance === undefined) {
    throw new Fault("bad_request", `${what}: its backup.yaml describes no instance`);
  }
  if (saved.name !== found.name || saved.project !== found.project) {
    throw new Fault(
      "bad_request",
      `${what}: its backup.yaml is of instance "${saved.name}" in project "${saved.project}"`,
    );
  }
  try {
    checkInstanceConfig(saved.instance.config, "expanded");
  } catch (error) {
    throw new Fault("bad_request", `${what}: ${messageOf(error)}`, {
      cause: error,
      hint: "Correct its backup.yaml.",
    });
  }
}
