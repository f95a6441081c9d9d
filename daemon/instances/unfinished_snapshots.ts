/**
 * Snapshots of instances that are being taken, renamed or removed, noted until tree and rows agree. The next
 * start of the daemon drops what is half-made or half-removed.
 */
import { messageOf } from "#base/errors.ts";
import { findInstanceById } from "#daemon/db/instances.ts";
import { listSnapshots } from "#daemon/db/instances_snapshots.ts";
import { type Note, Notes, textOf } from "#daemon/host/notes.ts";
import { type InstanceContext, lockInstance, volumeOf } from "./context.ts";
import type { InstanceRecord } from "./record.ts";
import { deleteSnapshotRows } from "./root_volume.ts";

type Change =
  | { readonly drop: string }
  /** The rows have the new name from the beginning. */
  | { readonly from: string; readonly to: string };

const notesOf = ({ paths }: Pick<InstanceContext, "paths">) =>
  new Notes(paths.at("unfinished-snapshots"));

/** Dispose it when the change is whole, or undone. */
export async function noteSnapshot(
  ctx: InstanceContext,
  { id }: Pick<InstanceRecord, "id">,
  change: Change,
): Promise<AsyncDisposable> {
  return await notesOf(ctx).write({ instance: id, ...change });
}

/** Start of the daemon: what can't be repaired now is reported, and tried again at the next start. */
export async function repairSnapshots(ctx: InstanceContext): Promise<void> {
  for (const note of await notesOf(ctx).all()) {
    try {
      await repair(ctx, note);
      await note.forget();
    } catch (error) {
      ctx.onError(`repair a snapshot: ${messageOf(error)}`, error);
    }
  }
}

async function repair(ctx: InstanceContext, note: Note): Promise<void> {
  const fields = await note.read();
  const record = await ctx.db.read((tx) => findInstanceById(tx, Number(fields["instance"])));
  if (record === undefined) return;
  using _held = await lockInstance(ctx, record);
  const volume = volumeOf(record);
  const [drop, from, to] = [
    textOf(fields, "drop"),
    textOf(fields, "from"),
    textOf(fields, "to"),
  ] as const;
  if (drop !== "") {
    await ctx.storage.instances.deleteSnapshot(volume, drop);
    return await ctx.db.write((tx) => deleteSnapshotRows(tx, record, drop));
  }
  const rows = (await ctx.db.read((tx) => listSnapshots(tx, [record]))).get(record.id) ?? [];
  if (!rows.some((one) => one.name === to)) return;
  const located = await ctx.storage.instances.locate(volume);
  const names = await located.driver.listSnapshots(located.volume);
  if (names.includes(from) && !names.includes(to)) {
    await ctx.storage.instances.renameSnapshot(volume, from, to);
  }
}
