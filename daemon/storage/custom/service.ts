/** Custom volumes: rows and data together, one change of a volume at a time. */
import { fittingConfig, newVolumeConfig } from "#api/config/pool_keys.ts";
import type { HostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { LockTable } from "#base/lock.ts";
import { Undo } from "#base/undo.ts";
import { parseBytes } from "#base/units.ts";
import { type Config, readConfig, writeConfig } from "#daemon/db/config.ts";
import type { Database } from "#daemon/db/db.ts";
import {
  deleteVolumeRow,
  getPool,
  insertVolume,
  listVolumes,
  volumeMissing,
  type VolumeRow,
} from "#daemon/db/storage_pools.ts";
import {
  deleteVolumeSnapshotRow,
  getVolumeSnapshot,
  insertVolumeSnapshot,
  listVolumeSnapshots,
  volumeSnapshotMissing,
  type VolumeSnapshotRow,
} from "#daemon/db/volume_snapshots.ts";
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import { removeIfEmpty, removeTree } from "#daemon/host/files.ts";
import { checkVolumeAllowed } from "#daemon/projects/check.ts";
import type { Paths } from "#daemon/paths.ts";
import { copyVolume, type Located, refreshVolume } from "#daemon/storage/transfer.ts";
import type { Pools } from "#daemon/storage/pools.ts";
import type { VolumeUser } from "#daemon/storage/service.ts";
import { changesShifting, checkShifting, withoutMap } from "./shifting.ts";
import { noteUnfinished } from "./unfinished.ts";
import { customVolume, type VolumeContent } from "#daemon/storage/volume.ts";

export interface CustomDeps {
  readonly paths: Paths;
  readonly db: Database;
  readonly pools: Pools;
  readonly onError: (what: string, error: unknown) => void;
  /** Names of running instances that have the volume among their disks. */
  readonly runningUsers: (volume: VolumeName) => Promise<readonly string[]>;
  /** All instances that have it, with the maps that they run with, or would. */
  readonly volumeUsers: (volume: VolumeName) => Promise<readonly VolumeUser[]>;
  readonly helper: HostPath;
  /** Does the server keep its images or backups on it? */
  readonly isServers: (volume: VolumeName) => Promise<boolean>;
}

/** What the functions of this folder work with. */
export interface CustomContext extends CustomDeps {
  readonly locks: LockTable;
}

export interface NewVolume {
  readonly contentType: VolumeContent;
  readonly description: string;
  readonly config: Readonly<Record<string, string>>;
}

/** Changes of one volume come one after the other. @throws the signal's reason if it aborts first. */
export async function lockVolume(
  ctx: CustomContext,
  volume: VolumeName,
  signal?: AbortSignal,
): Promise<Disposable> {
  return await lockVolumes(ctx, [volume], signal);
}

/** Several, in an order in which nobody waits for ever. */
export async function lockVolumes(
  ctx: CustomContext,
  volumes: readonly VolumeName[],
  signal?: AbortSignal,
): Promise<Disposable> {
  const names = volumes.map(({ pool, project, name }) => `volume ${pool}/${project}/${name}`);
  return await ctx.locks.acquireAll(names, signal);
}

/** @throws {Fault} not_found */
export async function getVolume(ctx: CustomContext, volume: VolumeName): Promise<VolumeRow> {
  const { pool, project, name } = volume;
  const [found] = await ctx.db.read(async (tx) => {
    await getPool(tx, pool);
    return await listVolumes(tx, { pool, project, name, type: "custom" });
  });
  if (found === undefined) throw volumeMissing({ pool, name, type: "custom" });
  return found;
}

/** The driver of a volume's pool, and the volume as the driver names it. */
export async function placeOf(
  ctx: CustomContext,
  volume: Pick<VolumeRow, "pool" | "project" | "name" | "contentType" | "config">,
): Promise<Located> {
  const { project, name, contentType: content, config } = volume;
  return {
    driver: await ctx.pools.driver(volume.pool),
    volume: customVolume(project, name, { content, config }),
  };
}

/** @throws {Fault} bad_request */
export function checkVolumeName(name: string): void {
  if (name === "") throw new Fault("bad_request", "No name provided");
  if (/[/\s\0]/.test(name) || name.startsWith(".") || name.length > 63) {
    throw new Fault("bad_request", `Invalid storage volume name "${name}"`, {
      hint:
        "Names have at most 63 characters, no slashes, no white space, no dot at the beginning.",
    });
  }
}

/** @throws {Fault} conflict */
export async function requireFreeName(ctx: CustomContext, volume: VolumeName): Promise<void> {
  const { pool, project, name } = volume;
  const known = await ctx.db.read((tx) => listVolumes(tx, { pool, project, name, type: "custom" }));
  if (known.length > 0) throw new Fault("conflict", `Volume "${name}" already exists`);
}

/** What a new volume is configured with: its own keys over the pool's, and a disk's size. */
export async function fullConfig(
  ctx: CustomContext,
  pool: string,
  { contentType, config }: NewVolume,
): Promise<Record<string, string>> {
  const row = await ctx.db.read((tx) => getPool(tx, pool));
  const all = newVolumeConfig(row, config);
  if (contentType === "block" && (all["size"] ?? "") === "") all["size"] = "10GiB";
  checkShifting(all);
  return all;
}

/** Bytes; undefined: no limit. @throws {Fault} bad_request if it is no size */
export const sizeOf = (config: Readonly<Record<string, string>>) => {
  const size = config["size"] ?? "";
  return size === "" ? undefined : parseBytes(size);
};

/** All or nothing. @throws {Fault} conflict, not_found, bad_request for its keys or the project's limits */
export async function createVolume(
  ctx: CustomContext,
  volume: VolumeName,
  wish: NewVolume,
): Promise<void> {
  using _held = await lockVolume(ctx, volume);
  await requireFreeName(ctx, volume);
  const config = await fullConfig(ctx, volume.pool, wish);
  await using _note = await noteUnfinished(ctx, { what: "make", volume: { ...volume, ...wish } });
  await using undo = new Undo((step, error) => ctx.onError(`undo of volume: ${step}`, error));
  const { driver, volume: made } = await placeOf(ctx, { ...volume, ...wish, config });
  const sizeBytes = sizeOf(config);
  await driver.create(made, sizeBytes === undefined ? {} : { sizeBytes });
  undo.add("remove the volume", () => driver.remove(made));
  await ctx.db.write(async (tx) => {
    // With nobody between: others may have used up the limits of the project.
    await checkVolumeAllowed(tx, volume.project, { name: volume.name, size: sizeOf(config) });
    await insertVolume(tx, { ...volume, ...wish, config, type: "custom" });
  });
  undo.keep();
}

export interface CopyWish {
  readonly source: VolumeRow;
  /** Copy this snapshot; undefined: the present state. */
  readonly snapshot: string | undefined;
  /** Without its snapshots. */
  readonly isBare: boolean;
  /** Win over those of the source. */
  readonly config: Readonly<Record<string, string>>;
  readonly description: string | undefined;
  readonly signal?: AbortSignal;
}

/** A new volume like another, on any pool. */
export async function copyCustom(
  ctx: CustomContext,
  target: VolumeName,
  wish: CopyWish,
): Promise<void> {
  using _held = await lockVolumes(ctx, [target, wish.source], wish.signal);
  await copyLocked(ctx, target, wish);
}

/** With the locks of both held. */
export async function copyLocked(
  ctx: CustomContext,
  target: VolumeName,
  wish: CopyWish,
): Promise<void> {
  const { source, snapshot, signal } = wish;
  await requireFreeName(ctx, target);
  const saved = await snapshotsOf(ctx, source);
  const origin = snapshot === undefined ? source : saved.find((one) => one.name === snapshot);
  if (origin === undefined) throw volumeSnapshotMissing(snapshot ?? "");
  const pool = await ctx.db.read((tx) => getPool(tx, target.pool));
  const config = fittingConfig(pool, { ...origin.config, ...wish.config });
  const rows = wish.isBare || snapshot !== undefined ? [] : saved;
  const made = { ...target, contentType: source.contentType };
  await using _note = await noteUnfinished(ctx, { what: "make", volume: made });
  await using undo = new Undo((step, error) => ctx.onError(`undo of volume: ${step}`, error));
  const place = await placeOf(ctx, { ...source, ...target, config });
  const sizeBytes = sizeOf(config);
  await copyVolume(place, await placeOf(ctx, source), {
    ...(snapshot !== undefined && { snapshot }),
    snapshots: rows.map((one) => one.name),
    ...(sizeBytes !== undefined && { sizeBytes }),
    ...(signal !== undefined && { signal }),
  });
  undo.add("remove the volume", () => place.driver.remove(place.volume));
  await ctx.db.write(async (tx) => {
    await checkVolumeAllowed(tx, target.project, { name: target.name, size: sizeOf(config) });
    const { contentType } = source;
    const description = wish.description ?? origin.description;
    const row = { ...target, type: "custom" as const, contentType, description, config };
    const id = await insertVolume(tx, row);
    for (const one of rows) await insertVolumeSnapshot(tx, id, one);
  });
  undo.keep();
}

/** Make a copy equal to its source again; rows of what was there already stay. */
export async function refreshCustom(
  ctx: CustomContext,
  target: VolumeName,
  wish: Omit<CopyWish, "config" | "description">,
): Promise<void> {
  const { source, snapshot, signal } = wish;
  using _held = await lockVolumes(ctx, [target, source], signal);
  const row = await getVolume(ctx, target);
  if (row.id === source.id) throw new Fault("bad_request", "cannot refresh a volume from itself");
  await requireNotRunning(ctx, row, "refresh");
  if (row.contentType !== source.contentType) {
    throw new Fault("bad_request", "the two volumes have different content types");
  }
  const theirs = wish.isBare || snapshot !== undefined ? [] : await snapshotsOf(ctx, source);
  const ours = await snapshotsOf(ctx, row);
  const without = (all: readonly VolumeSnapshotRow[], others: readonly VolumeSnapshotRow[]) =>
    all.filter(({ name }) => !others.some((one) => one.name === name));
  const missing = without(theirs, ours);
  const removed = wish.isBare || snapshot !== undefined ? [] : without(ours, theirs);
  await refreshVolume(await placeOf(ctx, row), await placeOf(ctx, source), {
    extra: removed.map((one) => one.name),
    missing: missing.map((one) => one.name),
    ...(snapshot !== undefined && { snapshot }),
    ...(signal !== undefined && { signal }),
  });
  await ctx.db.write(async (tx) => {
    for (const one of removed) await deleteVolumeSnapshotRow(tx, one.id);
    for (const one of missing) await insertVolumeSnapshot(tx, row.id, one);
  });
}

/** In the order in which they were taken. */
export async function snapshotsOf(
  ctx: CustomContext,
  volume: Pick<VolumeRow, "id">,
): Promise<VolumeSnapshotRow[]> {
  return await ctx.db.read((tx) => listVolumeSnapshots(tx, volume.id));
}

/** @throws {Fault} not_found */
export async function getSnapshot(
  ctx: CustomContext,
  volume: Pick<VolumeRow, "id">,
  name: string,
): Promise<VolumeSnapshotRow> {
  return await ctx.db.read((tx) => getVolumeSnapshot(tx, volume.id, name));
}

/** @throws {Fault} bad_request naming the instances. */
export async function requireNotRunning(
  ctx: CustomContext,
  volume: VolumeName,
  action: "restore" | "rename" | "move" | "refresh" | "shift",
): Promise<void> {
  const users = await ctx.runningUsers(volume);
  if (users.length === 0) return;
  throw new Fault("bad_request", `Cannot ${action} custom volume used by running instances`, {
    hint: `Stop ${users.slice(0, 5).join(", ")} first, or detach the volume.`,
  });
}

/** @throws {Fault} bad_request if the server keeps its images or backups on it. */
export async function requireNotServers(
  ctx: CustomContext,
  volume: VolumeName,
  action: "attached" | "deleted" | "moved" | "renamed" | "restored" | "snapshotted",
): Promise<void> {
  if (!await ctx.isServers(volume)) return;
  const text = action === "snapshotted"
    ? "Volumes used by LXD itself cannot have snapshots"
    : `Volume is used by LXD itself and cannot be ${action}`;
  throw new Fault("bad_request", text, {
    hint: "Unset storage.images_volume or storage.backups_volume first.",
  });
}

/**
 * @param usersOf URLs of the instances and profiles that have it.
 * @throws {Fault} bad_request if there are any.
 */
export async function removeVolume(
  ctx: CustomContext,
  volume: VolumeName,
  usersOf: (row: VolumeRow) => Promise<readonly string[]>,
): Promise<void> {
  using _held = await lockVolume(ctx, volume);
  const row = await getVolume(ctx, volume);
  await requireNotServers(ctx, row, "deleted");
  const users = await usersOf(row);
  if (users.length > 0) {
    throw new Fault("bad_request", "The storage volume is still in use", {
      hint: `Used by ${users.slice(0, 5).join(", ")}`,
    });
  }
  await removeLocked(ctx, row);
}

/** With its lock held, and nobody who uses it. */
export async function removeLocked(ctx: CustomContext, row: VolumeRow): Promise<void> {
  await using _note = await noteUnfinished(ctx, { what: "remove", volume: row });
  await dropVolume(ctx, row);
}

/** Data, backups and row, in this order: done again it does the rest. */
export async function dropVolume(ctx: CustomContext, row: VolumeRow): Promise<void> {
  const { driver, volume } = await placeOf(ctx, row);
  await driver.remove(volume);
  await removeTree(backupFolder(ctx, row));
  await removeIfEmpty(ctx.paths.at("backups/custom", row.pool));
  await ctx.db.write((tx) => deleteVolumeRow(tx, row));
}

/** Where its backups are. */
export function backupFolder(
  { paths }: Pick<CustomContext, "paths">,
  { pool, project, name }: VolumeName,
): HostPath {
  return paths.at("backups/custom", pool, `${project}_${name}`);
}

/** The size, and what a driver applies with it. */
const SIZE_KEYS = ["size", "zfs.blocksize", "zfs.reserve_space", "zfs.use_refquota"];

/** Does a change of the configuration change the volume on disk? Pure. */
export const changesDisk = (before: Config, after: Config) =>
  SIZE_KEYS.some((key) => (before[key] ?? "") !== (after[key] ?? ""));

/**
 * Configuration and description; a size acts at once.
 *
 * @throws {Fault} bad_request if running instances would see other ids
 */
export async function changeVolume(
  ctx: CustomContext,
  volume: VolumeRow,
  change: { readonly config: Readonly<Record<string, string>>; readonly description: string },
): Promise<void> {
  using _held = await lockVolume(ctx, volume);
  const before = await ctx.db.read((tx) => readConfig(tx, "storage_volumes", volume.id));
  checkShifting(change.config);
  const config = withoutMap(change.config);
  if (changesShifting(before, config)) await requireNotRunning(ctx, volume, "shift");
  await using undo = new Undo((step, error) => ctx.onError(`undo of volume: ${step}`, error));
  if (changesDisk(before, config)) {
    const isUsed = await ctx.isServers(volume) || (await ctx.runningUsers(volume)).length > 0;
    const resize = async (config: Config) => {
      const { driver, volume: made } = await placeOf(ctx, { ...volume, config });
      await driver.resize(made, sizeOf(config) ?? 0, { isUsed });
    };
    await resize(config);
    undo.add("size of before", () => resize(before));
  }
  await ctx.db.write(async (tx) => {
    await writeConfig(tx, "storage_volumes", volume.id, config);
    await tx.run(
      "UPDATE storage_volumes SET description = ? WHERE id = ?",
      change.description,
      volume.id,
    );
  });
  undo.keep();
}
