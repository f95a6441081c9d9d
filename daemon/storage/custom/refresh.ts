/** Make a custom volume equal to another again, each snapshot with its row. */
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import type { VolumeRow } from "#daemon/db/storage_pools.ts";
import {
  deleteVolumeSnapshotRow,
  insertVolumeSnapshot,
  type VolumeSnapshotRow,
} from "#daemon/db/volume_snapshots.ts";
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import { refreshVolume, type SnapshotSteps } from "#daemon/storage/transfer.ts";
import { type CustomContext, getVolume, lockVolumes, placeOf, snapshotsOf } from "./context.ts";
import type { CopyWish } from "./copy.ts";
import { requireNotRunning } from "./service.ts";
import { noteUnfinished } from "./unfinished.ts";

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
    steps: snapshotSteps(ctx, row, { theirs, ours }),
    ...(snapshot !== undefined && { snapshot }),
    ...(signal !== undefined && { signal }),
  });
}

/** Each snapshot with its row. @param rows Those of the source, and of the target before. */
function snapshotSteps(
  ctx: CustomContext,
  row: VolumeRow,
  { theirs, ours }: {
    readonly theirs: readonly VolumeSnapshotRow[];
    readonly ours: readonly VolumeSnapshotRow[];
  },
): SnapshotSteps {
  const noted = (snapshot: string) =>
    noteUnfinished(ctx, { what: "drop snapshot", volume: row, snapshot });
  return {
    async remove(name, remove) {
      await using _note = await noted(name);
      await remove();
      const saved = ours.find((one) => one.name === name);
      if (saved !== undefined) await ctx.db.write((tx) => deleteVolumeSnapshotRow(tx, saved.id));
    },
    async add(name, take, drop) {
      const saved = theirs.find((one) => one.name === name);
      if (saved === undefined) return;
      await using _note = await noted(name);
      await using undo = new Undo((step, error) => ctx.onError(`undo of refresh: ${step}`, error));
      await drop(); // What a refresh of before may have left.
      undo.add("remove the snapshot", drop);
      await take();
      await ctx.db.write((tx) => insertVolumeSnapshot(tx, row.id, saved));
      undo.keep();
    },
  };
}

/** In the order in which they were taken. */
