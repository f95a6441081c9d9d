/** Copy custom volumes, within a pool or between pools. */
import { fittingConfig } from "#api/config/pool_keys.ts";
import { Undo } from "#base/undo.ts";
import { getPool, insertVolume, type VolumeRow } from "#daemon/db/storage_pools.ts";
import { insertVolumeSnapshot, volumeSnapshotMissing } from "#daemon/db/volume_snapshots.ts";
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import { checkVolumeAllowed } from "#daemon/projects/check.ts";
import { copyVolume } from "#daemon/storage/transfer.ts";
import { type CustomContext, lockVolumes, placeOf, snapshotsOf } from "./context.ts";
import { noteUnfinished } from "./unfinished.ts";
import { requireFreeName, sizeOf } from "./service.ts";

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
