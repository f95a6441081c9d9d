/** Create instances as planned: row, volume, devices; all of it or nothing. */
import { checkInstanceAllowed } from "#daemon/projects/check.ts";
import { Undo } from "#base/undo.ts";
import { parseBytes } from "#base/units.ts";
import {
  deleteInstanceRow,
  getInstanceById,
  insertInstance,
  markMade,
  patchInstanceConfig,
} from "#daemon/db/instances.ts";
import type { Tx } from "#daemon/db/db.ts";
import { requireType } from "#daemon/devices/registry.ts";
import type { Caller } from "#daemon/http/caller.ts";
import type { VolumeSource } from "#daemon/storage/service.ts";
import { saveBackupYaml } from "./backup_yaml.ts";
import { type InstanceContext, lockInstance, volumeOf } from "./context.ts";
import { deviceHost, deviceOf, VolatileChanges } from "./device_host.ts";
import { findRootDisk } from "./expand.ts";
import { whileFrozen } from "./freeze.ts";
import { isRunning } from "./machine.ts";
import type { CreationPlan } from "./plan_creation.ts";
import type { InstanceRecord } from "./record.ts";
import { createdAtOf, firstVolatile, NO_MAP } from "./first_volatile.ts";
import { announceCreated } from "./snapshot_event.ts";
import { copySnapshotRows } from "./snapshot_rows.ts";
import { startLocked } from "./start.ts";

export interface CreateOptions {
  readonly caller?: Caller;
  readonly signal?: AbortSignal;
}

/** With nobody between this and the new row: others may have used up the limits of the project. */
async function checkStillAllowed(tx: Tx, plan: CreationPlan): Promise<void> {
  if (plan.source.kind === "copy" && plan.source.isMove) return;
  const { project, name, expandedConfig: config, expandedDevices: devices } = plan;
  await checkInstanceAllowed(tx, project, { name, config, devices, given: [] });
}

/** Make what was planned. @throws {Fault} conflict if somebody was faster. */
export async function createInstance(
  ctx: InstanceContext,
  plan: CreationPlan,
  options: CreateOptions,
): Promise<InstanceRecord> {
  await using undo = new Undo((step, error) => ctx.onError(`undo of create: ${step}`, error));
  const id = await ctx.db.write(async (tx) => {
    await checkStillAllowed(tx, plan);
    return await insertInstance(tx, {
      ...plan,
      createdAt: createdAtOf(plan),
      config: { ...NO_MAP, ...plan.config, ...firstVolatile(plan) },
    });
  });
  undo.add("delete the row", () => ctx.db.write((tx) => deleteInstanceRow(tx, id)));
  using _held = await lockInstance(ctx, { id }, options.signal);
  const record = await ctx.db.read((tx) => getInstanceById(tx, id));
  const volume = volumeOf(record);
  undo.add("delete the volume", () => ctx.storage.instances.delete(volume));
  const size = findRootDisk(record.expandedDevices)?.config["size"] ?? "";
  const { source } = plan;
  await ctx.storage.instances.create(volume, await volumeSource(ctx, plan), {
    ...(options.signal !== undefined && { signal: options.signal }),
    ...(size !== "" && { sizeBytes: parseBytes(size) }),
  });
  if (source.kind === "filled") await source.fill(volume, options.signal);
  await Deno.chmod(ctx.storage.instances.directory(volume), 0o100);
  await addDevices(ctx, record, undo);
  await ctx.db.write(async (tx) => {
    await copySnapshotRows(tx, plan, record);
    await markMade(tx, id);
  });
  undo.keep();
  await announceCreated(ctx, record, options);
  if (plan.source.kind === "image") {
    void ctx.images.touch(plan.project, plan.source.fingerprint)
      .catch((error) => ctx.onError("note the use of an image", error));
  }
  if (plan.start) await startLocked(ctx, id, options);
  else {
    void saveBackupYaml(ctx, id).catch((error) => ctx.onError("write backup.yaml", error));
  }
  return record;
}

async function volumeSource(ctx: InstanceContext, plan: CreationPlan): Promise<VolumeSource> {
  const { source } = plan;
  if (source.kind === "filled") return { kind: "empty" };
  if (source.kind !== "copy") return source;
  const instance = await ctx.db.read((tx) => getInstanceById(tx, source.instance.id));
  const runs = isRunning(ctx.runtime.state(instance.id)) && source.snapshot === undefined;
  return {
    kind: "instance",
    volume: volumeOf(instance),
    ...(source.snapshot !== undefined && { snapshot: source.snapshot.name }),
    withSnapshots: source.withSnapshots,
    ...(runs && { running: { freeze: (copy) => whileFrozen(ctx, instance, copy) } }),
  };
}

/** Let each device allocate what it needs for good (MAC addresses, leases). */
export async function addDevices(
  ctx: InstanceContext,
  record: InstanceRecord,
  undo: Undo,
): Promise<void> {
  const volatile = new VolatileChanges(record.config);
  const host = deviceHost(ctx, record, { volatile, idmap: null });
  for (const [name, config] of Object.entries(record.expandedDevices)) {
    const type = requireType(ctx.types, name, config);
    const device = deviceOf(ctx, host, name, config);
    undo.add(`remove device "${name}"`, () => type.removed?.(device));
    await type.added?.(device);
  }
  if (volatile.isEmpty) return;
  await ctx.db.write((tx) => patchInstanceConfig(tx, record.id, volatile.changes));
}
