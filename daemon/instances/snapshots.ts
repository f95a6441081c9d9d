/** Snapshots of instances: restore, rename, delete, expiry. take_snapshot.ts takes them. */
import { Undo } from "#base/undo.ts";
import { writeConfig } from "#daemon/db/config.ts";
import type { Tx } from "#daemon/db/db.ts";
import {
  findInstanceById,
  getInstanceById,
  patchInstanceConfig,
  profileLayers,
  updateInstance,
} from "#daemon/db/instances.ts";
import {
  getSnapshot,
  renameSnapshotRow,
  setSnapshotExpiry,
} from "#daemon/db/instances_snapshots.ts";
import {
  listVolumeSnapshots,
  renameVolumeSnapshotRow,
  updateVolumeSnapshot,
  type VolumeSnapshotRow,
} from "#daemon/db/volume_snapshots.ts";
import { saveBackupYaml } from "./backup_yaml.ts";
import { checkpointOf, forgetState, removeCheckpoint } from "./checkpoint.ts";
import { announce, type InstanceContext, lockInstance, volumeOf } from "./context.ts";
import { ON_DISK } from "./id_maps.ts";
import { isRunning } from "./machine.ts";
import { checkSnapshotName } from "./name.ts";
import { setEphemeral } from "./restart.ts";
import type { InstanceRecord } from "./record.ts";
import { deleteSnapshotRows, rootVolumeId } from "./root_volume.ts";
import { startLocked } from "./start.ts";
import { stopInstance } from "./stop.ts";
import { applyChange } from "./update.ts";
import { snapshotEvent } from "./snapshot_event.ts";
import type { SnapshotOptions } from "./take_snapshot.ts";
import { noteSnapshot } from "./unfinished_snapshots.ts";

/** undefined only in a damaged database. */
async function findVolumeSnapshot(
  tx: Tx,
  record: InstanceRecord,
  name: string,
): Promise<VolumeSnapshotRow | undefined> {
  const rows = await listVolumeSnapshots(tx, await rootVolumeId(tx, record));
  return rows.find((one) => one.name === name);
}

/** Put an instance back; a running one is stopped for it and started again. */
export async function restoreSnapshot(
  ctx: InstanceContext,
  instance: InstanceRecord,
  name: string,
  options: SnapshotOptions & {
    /** It runs on as it did when the snapshot was taken. */
    readonly isStateful?: boolean;
  },
): Promise<void> {
  await ctx.db.read((tx) => getSnapshot(tx, instance, name));
  await ctx.storage.instances.lostByRestore(volumeOf(instance), name);
  const wasRunning = isRunning(ctx.runtime.state(instance.id));
  // An ephemeral instance would be gone after its stop.
  if (wasRunning && instance.isEphemeral) await setEphemeral(ctx, instance.id, false);
  if (wasRunning) {
    await stopInstance(ctx, instance, { isForced: true, isSilent: true, ...options });
  }
  {
    using _held = await lockInstance(ctx, instance, options.signal);
    const record = await ctx.db.read((tx) => getInstanceById(tx, instance.id));
    const snapshot = await ctx.db.read((tx) => getSnapshot(tx, record, name));
    const lost = await ctx.storage.instances.lostByRestore(volumeOf(record), name);
    for (const one of lost.toReversed()) await deleteLocked(ctx, record, one, options);
    await ctx.storage.instances.restore(volumeOf(record), name);
    await forgetState(ctx, record.id);
    await ctx.db.write(async (tx) => {
      const profiles = await profileLayers(tx, record.project, snapshot.profiles);
      await updateInstance(tx, record.id, {
        config: keepIdentity(record.config, snapshot.config),
        devices: snapshot.devices,
        profiles,
        isEphemeral: snapshot.isEphemeral || instance.isEphemeral,
      });
      const saved = await findVolumeSnapshot(tx, record, name);
      if (saved === undefined) return;
      await writeConfig(tx, "storage_volumes", await rootVolumeId(tx, record), saved.config);
    });
    await followDevices(ctx, record);
    announce(ctx, "restored", record, {
      ...options,
      context: { snapshot: `${record.name}/${name}` },
    });
    if (options.isStateful === true) {
      const checkpoint = checkpointOf(ctx, record.id, snapshot.id);
      await startLocked(ctx, record.id, { ...options, checkpoint });
    } else if (wasRunning) await startLocked(ctx, record.id, options);
  }
  await saveBackupYaml(ctx, instance.id);
}

/** Devices of the stopped instance that came, went or changed with the snapshot. */
async function followDevices(ctx: InstanceContext, before: InstanceRecord): Promise<void> {
  const restored = await ctx.db.read((tx) => findInstanceById(tx, before.id));
  if (restored === undefined) return;
  await using undo = new Undo((step, error) => ctx.onError(`undo of restore: ${step}`, error));
  const { changes } = await applyChange(ctx, before, restored, undo);
  await ctx.db.write((tx) => patchInstanceConfig(tx, before.id, changes));
  undo.keep();
}

/** What tells an instance from others: it stays, also where the snapshot came from another one. */
const IDENTITY = /^volatile\.(.+\.hwaddr|uuid)$/;

/** The configuration of the snapshot with the identity, power state and id map of now; its files are back. */
function keepIdentity(
  now: Readonly<Record<string, string>>,
  snapshot: Readonly<Record<string, string>>,
): Record<string, string> {
  const result = { ...snapshot };
  for (const key of Object.keys({ ...now, ...snapshot })) {
    if (key === ON_DISK) continue;
    const value = now[key];
    if (IDENTITY.test(key) && value !== undefined) result[key] = value;
    if (!key.startsWith("volatile.idmap.") && !key.startsWith("volatile.last_state.")) continue;
    if (value === undefined) delete result[key];
    else result[key] = value;
  }
  return result;
}

/** @throws {Fault} not_found, conflict if the name is taken, bad_request if it is none */
export async function renameSnapshot(
  ctx: InstanceContext,
  instance: InstanceRecord,
  change: { readonly from: string; readonly to: string },
  options: SnapshotOptions,
): Promise<void> {
  using _held = await lockInstance(ctx, instance);
  const { from, to } = change;
  checkSnapshotName(to);
  const snapshot = await ctx.db.read((tx) => getSnapshot(tx, instance, from));
  await using _note = await noteSnapshot(ctx, instance, change);
  await using undo = new Undo((step, error) => ctx.onError(`undo of rename: ${step}`, error));
  const renameRows = async (name: string, newName: string) =>
    await ctx.db.write(async (tx) => {
      await renameSnapshotRow(tx, snapshot, newName);
      const row = await findVolumeSnapshot(tx, instance, name);
      if (row !== undefined) await renameVolumeSnapshotRow(tx, row, newName);
    });
  await renameRows(from, to);
  undo.add("old name", () => renameRows(to, from));
  await ctx.storage.instances.renameSnapshot(volumeOf(instance), from, to);
  undo.keep();
  const context = { old_name: `${instance.name}/${from}` };
  snapshotEvent(ctx, "renamed", instance, to, options, context);
  await saveBackupYaml(ctx, instance.id);
}

/** @throws {Fault} not_found */
export async function deleteSnapshot(
  ctx: InstanceContext,
  instance: InstanceRecord,
  name: string,
  options: SnapshotOptions,
): Promise<void> {
  using _held = await lockInstance(ctx, instance);
  await deleteLocked(ctx, instance, name, options);
  await saveBackupYaml(ctx, instance.id);
}

async function deleteLocked(
  ctx: InstanceContext,
  instance: InstanceRecord,
  name: string,
  options: SnapshotOptions,
): Promise<void> {
  const snapshot = await ctx.db.read((tx) => getSnapshot(tx, instance, name));
  await using _note = await noteSnapshot(ctx, instance, { drop: name });
  await ctx.storage.instances.deleteSnapshot(volumeOf(instance), name);
  await ctx.db.write((tx) => deleteSnapshotRows(tx, instance, name));
  await removeCheckpoint(checkpointOf(ctx, instance.id, snapshot.id));
  snapshotEvent(ctx, "deleted", instance, name, options);
}

/** @param expiresAt "" : never. */
export async function changeSnapshotExpiry(
  ctx: InstanceContext,
  instance: InstanceRecord,
  change: { readonly name: string; readonly expiresAt: string },
  options: SnapshotOptions,
): Promise<void> {
  const snapshot = await ctx.db.read((tx) => getSnapshot(tx, instance, change.name));
  await ctx.db.write(async (tx) => {
    await setSnapshotExpiry(tx, snapshot.id, change.expiresAt);
    const row = await findVolumeSnapshot(tx, instance, change.name);
    if (row !== undefined) await updateVolumeSnapshot(tx, row.id, { expiresAt: change.expiresAt });
  });
  snapshotEvent(ctx, "updated", instance, change.name, options);
  await saveBackupYaml(ctx, instance.id);
}
