/** Snapshots of instances: take, restore, rename, delete. */
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import { findInstanceById, profileLayers, updateInstance } from "#daemon/db/instances.ts";
import {
  deleteSnapshotRow,
  getSnapshot,
  insertSnapshot,
  listSnapshots,
  renameSnapshotRow,
  setSnapshotExpiry,
} from "#daemon/db/instances_snapshots.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { projectSuffix } from "#daemon/http/list.ts";
import { saveBackupYaml } from "./backup_yaml.ts";
import { type InstanceContext, lockInstance, volumeOf } from "./context.ts";
import { expiryAfter, snapshotName } from "./snapshot_name.ts";
import { whileFrozen } from "./freeze.ts";
import { assertAllowed, isRunning } from "./machine.ts";
import { checkSnapshotName } from "./name.ts";
import type { InstanceRecord } from "./record.ts";
import { startLocked } from "./start.ts";
import { stopInstance } from "./stop.ts";

export interface SnapshotOptions {
  readonly caller?: Caller;
  readonly signal?: AbortSignal;
}

export interface SnapshotWish {
  /** "": the next name of snapshots.pattern. */
  readonly name: string;
  /** undefined: by snapshots.expiry; "": never. */
  readonly expiresAt: string | undefined;
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

/** Take a snapshot; a running instance is frozen for the last pass of the copy. */
export async function takeSnapshot(
  ctx: InstanceContext,
  instance: InstanceRecord,
  wish: SnapshotWish,
  options: SnapshotOptions,
): Promise<void> {
  using _held = await lockInstance(ctx, instance, options.signal);
  const record = await ctx.db.read((tx) => findInstanceById(tx, instance.id));
  if (record === undefined) throw new Fault("not_found", "Instance not found");
  const state = ctx.runtime.state(record.id);
  assertAllowed(state, "snapshot");
  const createdAt = new Date();
  const byKey = expiryAfter(createdAt, record.expandedConfig["snapshots.expiry"] ?? "");
  await using undo = new Undo((step, error) => ctx.onError(`undo of snapshot: ${step}`, error));
  const id = await ctx.db.write((tx) =>
    insertSnapshot(tx, record, {
      name: wish.name,
      createdAt: createdAt.toISOString(),
      expiresAt: wish.expiresAt ?? byKey,
      config: record.config,
      devices: record.devices,
      profiles: record.profiles.map((layer) => layer.name),
      isEphemeral: record.isEphemeral,
    })
  );
  undo.add("delete the row", () => ctx.db.write((tx) => deleteSnapshotRow(tx, id)));
  await ctx.storage.instances.snapshot(volumeOf(record), wish.name, {
    ...(isRunning(state) && {
      running: { freeze: (copy) => whileFrozen(ctx, record, copy) },
    }),
    ...(options.signal !== undefined && { signal: options.signal }),
  });
  undo.keep();
  snapshotEvent(ctx, "created", record, wish.name, options);
  await saveBackupYaml(ctx, record.id);
}

/** Put an instance back; a running one is stopped for it and started again. */
export async function restoreSnapshot(
  ctx: InstanceContext,
  instance: InstanceRecord,
  name: string,
  options: SnapshotOptions,
): Promise<void> {
  await ctx.db.read((tx) => getSnapshot(tx, instance, name));
  const wasRunning = isRunning(ctx.runtime.state(instance.id));
  // An ephemeral instance would be gone after its stop.
  if (wasRunning && instance.isEphemeral) await setEphemeral(ctx, instance.id, false);
  if (wasRunning) {
    await stopInstance(ctx, instance, { isForced: true, isSilent: true, ...options });
  }
  {
    using _held = await lockInstance(ctx, instance, options.signal);
    const record = await ctx.db.read((tx) => findInstanceById(tx, instance.id));
    if (record === undefined) throw new Fault("not_found", "Instance not found");
    const snapshot = await ctx.db.read((tx) => getSnapshot(tx, record, name));
    await ctx.storage.instances.restore(volumeOf(record), name);
    await ctx.db.write(async (tx) => {
      const profiles = await profileLayers(tx, record.project, snapshot.profiles);
      await updateInstance(tx, record.id, {
        config: keepIdentity(record.config, snapshot.config),
        devices: snapshot.devices,
        profiles,
        isEphemeral: snapshot.isEphemeral || instance.isEphemeral,
      });
    });
    ctx.events.lifecycle({
      action: "instance-restored",
      source: `/1.0/instances/${record.name}${projectSuffix(record.project)}`,
      project: record.project,
      context: { snapshot: name },
      ...(options.caller !== undefined && { caller: options.caller }),
    });
    if (wasRunning) await startLocked(ctx, record.id, options);
  }
  await saveBackupYaml(ctx, instance.id);
}

async function setEphemeral(ctx: InstanceContext, id: number, value: boolean): Promise<void> {
  await ctx.db.write((tx) => updateInstance(tx, id, { isEphemeral: value }));
}

/** The configuration of the snapshot with the power state and id map of now. */
function keepIdentity(
  now: Readonly<Record<string, string>>,
  snapshot: Readonly<Record<string, string>>,
): Record<string, string> {
  const result = { ...snapshot };
  for (const key of Object.keys({ ...now, ...snapshot })) {
    if (!key.startsWith("volatile.idmap.") && !key.startsWith("volatile.last_state.")) continue;
    const value = now[key];
    if (value === undefined) delete result[key];
    else result[key] = value;
  }
  return result;
}

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
  await using undo = new Undo((step, error) => ctx.onError(`undo of rename: ${step}`, error));
  await ctx.db.write((tx) => renameSnapshotRow(tx, snapshot, to));
  undo.add("old name", () => ctx.db.write((tx) => renameSnapshotRow(tx, snapshot, from)));
  await ctx.storage.instances.renameSnapshot(volumeOf(instance), from, to);
  undo.keep();
  snapshotEvent(ctx, "renamed", instance, to, options, { old_name: from });
  await saveBackupYaml(ctx, instance.id);
}

export async function deleteSnapshot(
  ctx: InstanceContext,
  instance: InstanceRecord,
  name: string,
  options: SnapshotOptions,
): Promise<void> {
  using _held = await lockInstance(ctx, instance);
  const snapshot = await ctx.db.read((tx) => getSnapshot(tx, instance, name));
  await ctx.storage.instances.deleteSnapshot(volumeOf(instance), name);
  await ctx.db.write((tx) => deleteSnapshotRow(tx, snapshot.id));
  snapshotEvent(ctx, "deleted", instance, name, options);
  await saveBackupYaml(ctx, instance.id);
}

/** @param expiresAt "" : never. */
export async function changeSnapshotExpiry(
  ctx: InstanceContext,
  instance: InstanceRecord,
  change: { readonly name: string; readonly expiresAt: string },
  options: SnapshotOptions,
): Promise<void> {
  const snapshot = await ctx.db.read((tx) => getSnapshot(tx, instance, change.name));
  await ctx.db.write((tx) => setSnapshotExpiry(tx, snapshot.id, change.expiresAt));
  snapshotEvent(ctx, "updated", instance, change.name, options);
  await saveBackupYaml(ctx, instance.id);
}

/** "2026-01-01T00:00:00Z" as it is stored; Go's zero time and "" mean never. @throws {Fault} */
export function parseExpiry(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (text === "" || text.startsWith("0001-01-01")) return "";
  const time = Date.parse(text);
  if (Number.isNaN(time)) {
    throw new Fault("bad_request", `invalid time "${text}"`, {
      hint: "Write it as 2026-12-31T18:00:00Z.",
    });
  }
  return new Date(time).toISOString();
}

function snapshotEvent(
  ctx: InstanceContext,
  action: string,
  instance: InstanceRecord,
  name: string,
  options: SnapshotOptions,
  context?: Readonly<Record<string, unknown>>,
): void {
  const suffix = projectSuffix(instance.project);
  ctx.events.lifecycle({
    action: `instance-snapshot-${action}`,
    source: `/1.0/instances/${instance.name}/snapshots/${name}${suffix}`,
    project: instance.project,
    ...(context !== undefined && { context }),
    ...(options.caller !== undefined && { caller: options.caller }),
  });
}
