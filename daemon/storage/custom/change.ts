/** Rename and move custom volumes; take, restore, rename and delete their snapshots. */
import { newVolumeConfig } from "#api/config/pool_keys.ts";
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import { requireLosable } from "#daemon/storage/later_snapshots.ts";
import { type Config, writeConfig } from "#daemon/db/config.ts";
import { getPool, renameVolumeRow, type VolumeRow } from "#daemon/db/storage_pools.ts";
import {
  deleteVolumeSnapshotRow,
  insertVolumeSnapshot,
  renameVolumeSnapshotRow,
} from "#daemon/db/volume_snapshots.ts";
import { renameVolumeUses, type VolumeName } from "#daemon/db/volume_uses.ts";
import { renameIfThere } from "#daemon/host/files.ts";
import {
  backupFolder,
  removeLocked,
  requireFreeName,
  requireNotRunning,
  requireNotServers,
} from "./service.ts";
import { copyLocked } from "./copy.ts";
import {
  type CustomContext,
  getSnapshot,
  getVolume,
  lockVolume,
  lockVolumes,
  placeOf,
  snapshotsOf,
} from "./context.ts";
import { noteUnfinished } from "./unfinished.ts";

/** On its pool and in its project. Devices that have it get the new name. */
export async function renameVolume(
  ctx: CustomContext,
  volume: VolumeName,
  newName: string,
): Promise<void> {
  using _held = await lockVolumes(ctx, [volume, { ...volume, name: newName }]);
  const row = await getVolume(ctx, volume);
  const next = { ...row, name: newName };
  await requireFreeName(ctx, next);
  await requireNotRunning(ctx, row, "rename");
  await requireNotServers(ctx, row, "renamed");
  await using _note = await noteUnfinished(ctx, { what: "rename", volume: row, to: newName });
  await using undo = new Undo((step, error) => ctx.onError(`undo of rename: ${step}`, error));
  const { driver, volume: made } = await placeOf(ctx, row);
  const { volume: renamed } = await placeOf(ctx, next);
  await driver.rename(made, renamed.name);
  undo.add("old name", () => driver.rename(renamed, made.name));
  await renameIfThere(backupFolder(ctx, row), backupFolder(ctx, next));
  undo.add(
    "old name of the backups",
    () => renameIfThere(backupFolder(ctx, next), backupFolder(ctx, row)),
  );
  await ctx.db.write(async (tx) => {
    await renameVolumeUses(tx, row, next);
    await renameVolumeRow(tx, row, newName);
  });
  undo.keep();
}

/** To another pool or project: copied with its snapshots, then removed. */
export async function moveVolume(
  ctx: CustomContext,
  volume: VolumeName,
  target: VolumeName,
  options: { readonly isBare: boolean; readonly signal?: AbortSignal },
): Promise<void> {
  // Held to the end: an instance that starts meanwhile would go on with the one that is removed.
  using _held = await lockVolumes(ctx, [volume, target], options.signal);
  const source = await getVolume(ctx, volume);
  await requireNotRunning(ctx, source, "move");
  await requireNotServers(ctx, source, "moved");
  await copyLocked(ctx, target, {
    source,
    snapshot: undefined,
    config: {},
    description: undefined,
    ...options,
  });
  if (target.project === source.project) {
    await ctx.db.write((tx) => renameVolumeUses(tx, source, target));
  }
  await removeLocked(ctx, source);
}

export interface SnapshotWish {
  readonly name: string;
  readonly description: string;
  /** "" : never. */
  readonly expiresAt: string;
}

/** All or nothing. @throws {Fault} not_found, conflict, bad_request if the daemon itself uses it */
export async function takeVolumeSnapshot(
  ctx: CustomContext,
  volume: VolumeName,
  wish: SnapshotWish,
): Promise<void> {
  using _held = await lockVolume(ctx, volume);
  const row = await getVolume(ctx, volume);
  await requireNotServers(ctx, row, "snapshotted");
  await requireFreeSnapshot(ctx, row, wish.name);
  const note = { what: "drop snapshot", volume: row, snapshot: wish.name } as const;
  await using _note = await noteUnfinished(ctx, note);
  await using undo = new Undo((step, error) => ctx.onError(`undo of snapshot: ${step}`, error));
  const id = await ctx.db.write((tx) =>
    insertVolumeSnapshot(tx, row.id, { ...wish, config: row.config })
  );
  undo.add("delete the row", () => ctx.db.write((tx) => deleteVolumeSnapshotRow(tx, id)));
  const { driver, volume: made } = await placeOf(ctx, row);
  await driver.snapshot(made, wish.name);
  undo.keep();
}

/** Before anything is noted: what a crash would drop must not be one that was there. */
async function requireFreeSnapshot(ctx: CustomContext, row: VolumeRow, name: string) {
  if (!(await snapshotsOf(ctx, row)).some((one) => one.name === name)) return;
  throw new Fault("conflict", `Snapshot "${name}" already exists`);
}

/** Later snapshots go where the driver can't keep them. @throws {Fault} bad_request if it is in use */
export async function restoreVolume(
  ctx: CustomContext,
  volume: VolumeName,
  snapshot: string,
): Promise<void> {
  using _held = await lockVolume(ctx, volume);
  const row = await getVolume(ctx, volume);
  const saved = await getSnapshot(ctx, row, snapshot);
  await requireNotRunning(ctx, row, "restore");
  await requireNotServers(ctx, row, "restored");
  const { driver, volume: made } = await placeOf(ctx, row);
  const later = driver.can.restoreOlder
    ? []
    : (await snapshotsOf(ctx, row)).filter((one) => one.id > saved.id);
  const pool = await ctx.db.read((tx) => getPool(tx, row.pool));
  requireLosable(snapshot, later.map((one) => one.name), newVolumeConfig(pool, row.config));
  for (const one of later.toReversed()) {
    await driver.removeSnapshot(made, one.name);
    await ctx.db.write((tx) => deleteVolumeSnapshotRow(tx, one.id));
  }
  await driver.restore(made, snapshot);
  const config = restoredConfig(row.config, saved.config);
  await ctx.db.write((tx) => writeConfig(tx, "storage_volumes", row.id, config));
}

/** As in LXD the keys of now stay, with them the size; whose ids the files have came back with them. */
function restoredConfig(now: Config, saved: Config): Config {
  const isOfFiles = (key: string) => key.startsWith("volatile.idmap.");
  return {
    ...Object.fromEntries(Object.entries(now).filter(([key]) => !isOfFiles(key))),
    ...Object.fromEntries(Object.entries(saved).filter(([key]) => isOfFiles(key))),
  };
}

/** All or nothing. @throws {Fault} not_found, conflict */
export async function renameVolumeSnapshot(
  ctx: CustomContext,
  volume: VolumeName,
  change: { readonly from: string; readonly to: string },
): Promise<void> {
  using _held = await lockVolume(ctx, volume);
  const row = await getVolume(ctx, volume);
  const saved = await getSnapshot(ctx, row, change.from);
  await requireFreeSnapshot(ctx, row, change.to);
  await using _note = await noteUnfinished(ctx, {
    what: "rename snapshot",
    volume: row,
    ...change,
  });
  await using undo = new Undo((step, error) => ctx.onError(`undo of rename: ${step}`, error));
  await ctx.db.write((tx) => renameVolumeSnapshotRow(tx, saved, change.to));
  undo.add(
    "old name",
    () => ctx.db.write((tx) => renameVolumeSnapshotRow(tx, saved, change.from)),
  );
  const { driver, volume: made } = await placeOf(ctx, row);
  await driver.renameSnapshot(made, change.from, change.to);
  undo.keep();
}

/** What a crash leaves of it is removed at the next start. @throws {Fault} not_found */
export async function removeVolumeSnapshot(
  ctx: CustomContext,
  volume: VolumeName,
  name: string,
): Promise<void> {
  using _held = await lockVolume(ctx, volume);
  const row = await getVolume(ctx, volume);
  const saved = await getSnapshot(ctx, row, name);
  const note = { what: "drop snapshot", volume: row, snapshot: name } as const;
  await using _note = await noteUnfinished(ctx, note);
  const { driver, volume: made } = await placeOf(ctx, row);
  await driver.removeSnapshot(made, name);
  await ctx.db.write((tx) => deleteVolumeSnapshotRow(tx, saved.id));
}
