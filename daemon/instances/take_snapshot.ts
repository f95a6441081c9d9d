/** Take a snapshot of an instance: its tree, configuration and devices, and a row for its volume. */
import { thaw } from "#daemon/cgroup/freezer.ts";
import { parseSchedule, type Schedule } from "#base/cron.ts";
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import { readConfig } from "#daemon/db/config.ts";
import type { Tx } from "#daemon/db/db.ts";
import { getInstanceById } from "#daemon/db/instances.ts";
import {
  deleteSnapshotRow,
  insertSnapshot,
  listSnapshots,
  markStateful,
} from "#daemon/db/instances_snapshots.ts";
import { deleteVolumeSnapshotRow, insertVolumeSnapshot } from "#daemon/db/volume_snapshots.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { saveBackupYaml } from "./backup_yaml.ts";
import { assertDumpable, checkpointOf, dump, removeCheckpoint } from "./checkpoint.ts";
import { type InstanceContext, lockInstance, volumeOf } from "./context.ts";
import { whileFrozen } from "./freeze.ts";
import { assertAllowed, isRunning } from "./machine.ts";
import { checkSnapshotName } from "./name.ts";
import type { InstanceRecord } from "./record.ts";
import { rootVolumeId } from "./root_volume.ts";
import { snapshotEvent } from "./snapshot_event.ts";
import { expiryAfter, snapshotName } from "./snapshot_name.ts";
import { noteSnapshot } from "./unfinished_snapshots.ts";

export interface SnapshotOptions {
  readonly caller?: Caller;
  readonly signal?: AbortSignal;
}

export interface SnapshotWish {
  /** "": the next name of snapshots.pattern. */
  readonly name: string;
  /** undefined: by snapshots.expiry; "": never. */
  readonly expiresAt: string | undefined;
  /** With its running state. */
  readonly isStateful?: boolean;
}

/** The name a snapshot would get. @throws {Fault} conflict, bad_request */
export async function planSnapshotName(
  ctx: InstanceContext,
  instance: InstanceRecord,
  name: string,
): Promise<string> {
  const snapshots = await ctx.db.read((tx) => listSnapshots(tx, [instance]));
  const taken = (snapshots.get(instance.id) ?? []).map((one) => one.name);
  if (name === "") {
    const pattern = instance.expandedConfig["snapshots.pattern"] ?? "";
    return snapshotName(pattern === "" ? "snap%d" : pattern, taken, new Date());
  }
  checkSnapshotName(name);
  if (taken.includes(name)) throw new Fault("conflict", `Snapshot "${name}" already exists`);
  return name;
}

export interface SnapshotTaken {
  /** For how long the instance was frozen; undefined: not at all. */
  readonly frozenMs: number | undefined;
}

/** Take a snapshot; a running instance is frozen for the copy, where the pool must copy. */
export async function takeSnapshot(
  ctx: InstanceContext,
  instance: InstanceRecord,
  wish: SnapshotWish,
  options: SnapshotOptions,
): Promise<SnapshotTaken> {
  using _held = await lockInstance(ctx, instance, options.signal);
  const record = await ctx.db.read((tx) => getInstanceById(tx, instance.id));
  const taken = await takeLocked(ctx, record, wish, options);
  await saveBackupYaml(ctx, record.id);
  void shorten(ctx, record, wish.name);
  return taken;
}

/** What the snapshot has made long is made short again, while nobody waits. */
async function shorten(ctx: InstanceContext, record: InstanceRecord, name: string): Promise<void> {
  try {
    const swap = await ctx.storage.instances.shorten(volumeOf(record), name);
    if (swap === undefined) return;
    using _held = await lockInstance(ctx, record);
    await swap();
  } catch (error) {
    ctx.onError(`shorten what "${record.name}" is made of`, error);
  }
}

/** The same with the instance's lock held; backup.yaml is the caller's. */
async function takeLocked(
  ctx: InstanceContext,
  record: InstanceRecord,
  wish: SnapshotWish,
  options: SnapshotOptions,
): Promise<SnapshotTaken> {
  const state = ctx.runtime.state(record.id);
  assertAllowed(state, "snapshot");
  if (wish.isStateful === true) await assertDumpable(ctx, record, "create a stateful snapshot");
  const createdAt = new Date();
  const byKey = expiryAfter(createdAt, record.expandedConfig["snapshots.expiry"] ?? "");
  await using _note = await noteSnapshot(ctx, record, { drop: wish.name });
  await using undo = new Undo((step, error) => ctx.onError(`undo of snapshot: ${step}`, error));
  const expiresAt = wish.expiresAt ?? byKey;
  const ids = await ctx.db.write(async (tx) => {
    const id = await insertSnapshot(tx, record, {
      name: wish.name,
      createdAt: createdAt.toISOString(),
      expiresAt,
      config: record.config,
      devices: record.devices,
      profiles: record.profiles.map((layer) => layer.name),
      isEphemeral: record.isEphemeral,
    });
    return { id, volume: await recordOfVolume(tx, record, { name: wish.name, expiresAt }) };
  });
  undo.add("delete the rows", () =>
    ctx.db.write(async (tx) => {
      await deleteSnapshotRow(tx, ids.id);
      await deleteVolumeSnapshotRow(tx, ids.volume);
    }));
  using _still = wish.isStateful === true ? await dumpInto(ctx, record, ids.id, undo) : undefined;
  let frozenMs: number | undefined;
  const note = (ms: number) => void (frozenMs = (frozenMs ?? 0) + ms);
  await ctx.storage.instances.snapshot(volumeOf(record), wish.name, {
    ...(isRunning(state) && {
      running: { freeze: (copy) => whileFrozen(ctx, record, copy, note) },
    }),
    ...(options.signal !== undefined && { signal: options.signal }),
  });
  undo.keep();
  snapshotEvent(ctx, "created", record, wish.name, options);
  return { frozenMs };
}

/** Its running state goes to a snapshot; it stands still until the result is disposed of. */
async function dumpInto(
  ctx: InstanceContext,
  record: InstanceRecord,
  snapshot: number,
  undo: Undo,
): Promise<Disposable> {
  const directory = checkpointOf(ctx, record.id, snapshot);
  const cgroups = ctx.runtime.cgroups(record.id);
  using still = new DisposableStack();
  still.use(ctx.runtime.hold(record.id));
  still.defer(() => thaw(cgroups));
  undo.add("remove its running state", () => removeCheckpoint(directory));
  await dump(ctx, record, directory, "freeze");
  await ctx.db.write((tx) => markStateful(tx, snapshot));
  return still.move();
}

/** The root volume has a snapshot of the same name, with the configuration of the volume. */
async function recordOfVolume(
  tx: Tx,
  record: InstanceRecord,
  { name, expiresAt }: { name: string; expiresAt: string },
): Promise<number> {
  const volume = await rootVolumeId(tx, record);
  const config = await readConfig(tx, "storage_volumes", volume);
  return await insertVolumeSnapshot(tx, volume, { name, description: "", expiresAt, config });
}

/** Of snapshots.schedule; with no times if that is not set. */
export function scheduleOf(instance: InstanceRecord): Schedule {
  try {
    return parseSchedule(instance.expandedConfig["snapshots.schedule"] ?? "");
  } catch {
    return parseSchedule(""); // Ignored: the checks of keys let no such text in.
  }
}

/** @startup: the state before the instance starts, with the lock held. A failure does not stop the start. */
export async function snapshotAtStartup(
  ctx: InstanceContext,
  record: InstanceRecord,
): Promise<void> {
  try {
    const name = await planSnapshotName(ctx, record, "");
    await takeLocked(ctx, record, { name, expiresAt: undefined }, {});
  } catch (error) {
    ctx.onError(`take the snapshot of "${record.name}" at its start`, error);
  }
}
