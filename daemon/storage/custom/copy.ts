/** Copy custom volumes, within a pool or between pools, and make a copy equal to its source again. */
import { fittingConfig } from "#api/config/pool_keys.ts";
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import { getPool, insertVolume, type VolumeRow } from "#daemon/db/storage_pools.ts";
import {
  deleteVolumeSnapshotRow,
  insertVolumeSnapshot,
  volumeSnapshotMissing,
  type VolumeSnapshotRow,
} from "#daemon/db/volume_snapshots.ts";
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import { checkVolumeAllowed } from "#daemon/projects/check.ts";
import { copyVolume, refreshVolume } from "#daemon/storage/transfer.ts";
import { type CustomContext, getVolume, lockVolumes, placeOf, snapshotsOf } from "./context.ts";
import { noteUnfinished } from "./unfinished.ts";
import { requireFreeName, requireNotRunning, sizeOf } from "./service.ts";

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
