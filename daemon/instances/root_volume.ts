/** Rows of the root volume of an instance and of its snapshots. */
import type { Tx } from "#daemon/db/db.ts";
import { deleteSnapshotRow, listSnapshots } from "#daemon/db/instances_snapshots.ts";
import {
  deleteVolumeSnapshotRow,
  listVolumeSnapshots,
  volumeId,
} from "#daemon/db/volume_snapshots.ts";
import { volumeOf } from "./context.ts";
import type { InstanceRecord } from "./record.ts";

/** @throws {Fault} not_found */
export async function rootVolumeId(tx: Tx, record: InstanceRecord): Promise<number> {
  return await volumeId(tx, { ...volumeOf(record), type: "container" });
}

/** Both rows of a snapshot: of the instance, and of its volume. Absent is no error. */
export async function deleteSnapshotRows(
  tx: Tx,
  record: InstanceRecord,
  name: string,
): Promise<void> {
  const rows = await listVolumeSnapshots(tx, await rootVolumeId(tx, record));
  const row = rows.find((one) => one.name === name);
  if (row !== undefined) await deleteVolumeSnapshotRow(tx, row.id);
  const all = (await listSnapshots(tx, [record])).get(record.id) ?? [];
  const snapshot = all.find((one) => one.name === name);
  if (snapshot !== undefined) await deleteSnapshotRow(tx, snapshot.id);
}
