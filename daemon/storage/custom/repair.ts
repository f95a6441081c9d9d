/** Finish or undo changes of custom volumes that a crash cut off, by their notes (unfinished.ts). */
import { messageOf, unreachable } from "#base/errors.ts";
import { listVolumes } from "#daemon/db/storage_pools.ts";
import { deleteVolumeSnapshotRow } from "#daemon/db/volume_snapshots.ts";
import { renameIfThere } from "#daemon/host/files.ts";
import { backupFolder, dropVolume } from "./service.ts";
import { type CustomContext, lockVolume, placeOf, snapshotsOf } from "./context.ts";
import { type Unfinished, unfinishedChanges } from "./unfinished.ts";

/** Start of the daemon: what can't be repaired now is reported, and tried again at the next start. */
export async function repairVolumes(ctx: CustomContext): Promise<void> {
  for (const { read, forget } of await unfinishedChanges(ctx)) {
    try {
      await repair(ctx, await read());
      await forget();
    } catch (error) {
      ctx.onError(`repair a custom volume: ${messageOf(error)}`, error);
    }
  }
}

async function repair(ctx: CustomContext, note: Unfinished): Promise<void> {
  const { volume } = note;
  using _held = await lockVolume(ctx, volume);
  const { pool, project, name } = volume;
  const [row] = await ctx.db.read((tx) => listVolumes(tx, { pool, project, name, type: "custom" }));
  const { driver, volume: made } = await placeOf(ctx, row ?? { ...volume, config: {} });
  switch (note.what) {
    case "make":
      if (row === undefined) await driver.remove(made);
      return;
    case "remove":
      if (row !== undefined) await dropVolume(ctx, row);
      return;
    case "rename": {
      if (row === undefined) return;
      const next = { ...row, name: note.to };
      const { volume: renamed } = await placeOf(ctx, next);
      const names = (await driver.list("custom")).map((one) => one.name);
      if (names.includes(renamed.name) && !names.includes(made.name)) {
        await driver.rename(renamed, made.name);
      }
      return await renameIfThere(backupFolder(ctx, next), backupFolder(ctx, row));
    }
    case "drop snapshot": {
      await driver.removeSnapshot(made, note.snapshot);
      const saved = row && (await snapshotsOf(ctx, row)).find((one) => one.name === note.snapshot);
      if (saved !== undefined) await ctx.db.write((tx) => deleteVolumeSnapshotRow(tx, saved.id));
      return;
    }
    case "rename snapshot": {
      const rows = row === undefined ? [] : await snapshotsOf(ctx, row);
      if (!rows.some((one) => one.name === note.to)) return;
      const names = await driver.listSnapshots(made);
      if (names.includes(note.from) && !names.includes(note.to)) {
        await driver.renameSnapshot(made, note.from, note.to);
      }
      return;
    }
    default:
      unreachable(note);
  }
}
