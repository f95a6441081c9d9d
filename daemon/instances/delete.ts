/** Delete an instance with its volume, snapshots, devices, logs. */
import { Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import { deleteInstanceRow, getInstanceById, markHalfMade } from "#daemon/db/instances.ts";
import { requireType } from "#daemon/devices/registry.ts";
import { removeTree } from "#daemon/host/files.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { removeCheckpoints } from "./checkpoint.ts";
import { announce, type InstanceContext, lockInstance, lxcName, volumeOf } from "./context.ts";
import { deviceHost, deviceOf, VolatileChanges } from "./device_host.ts";
import { assertAllowed } from "./machine.ts";
import type { InstanceRecord } from "./record.ts";
import { snapshotEvent, snapshotNames } from "./snapshot_event.ts";

/** @throws {Fault} bad_request if it runs or is protected. */
export function assertDeletable(ctx: InstanceContext, instance: InstanceRecord): void {
  assertAllowed(ctx.runtime.state(instance.id), "delete");
  if (isTrue(instance.expandedConfig["security.protection.delete"])) {
    throw new Fault("bad_request", "Instance is protected from being deleted", {
      hint: `lxc config set ${instance.name} security.protection.delete=false`,
    });
  }
}

/** @throws {Fault} not_found, bad_request if it runs or is protected */
export async function deleteInstance(
  ctx: InstanceContext,
  instance: InstanceRecord,
  options: {
    readonly caller?: Caller;
    /** Another one has taken its place: a protection moves with it. */
    readonly isMoved?: boolean;
  },
): Promise<void> {
  using _held = await lockInstance(ctx, instance);
  const record = await ctx.db.read((tx) => getInstanceById(tx, instance.id));
  if (options.isMoved === true) assertAllowed(ctx.runtime.state(record.id), "delete");
  else assertDeletable(ctx, record);
  await removeInstance(ctx, record, options);
}

/** The same without questions; the lock is held. Idempotent: recovery finishes what a crash left. */
export async function removeInstance(
  ctx: InstanceContext,
  record: InstanceRecord,
  options: { caller?: Caller },
): Promise<void> {
  await ctx.db.write((tx) => markHalfMade(tx, record.id));
  const host = deviceHost(ctx, record, {
    volatile: new VolatileChanges(record.config),
    idmap: null,
  });
  for (const [name, config] of Object.entries(record.expandedDevices)) {
    await requireType(ctx.types, name, config).removed?.(deviceOf(ctx, host, name, config));
  }
  const snapshots = await snapshotNames(ctx, record);
  await ctx.storage.instances.delete(volumeOf(record));
  await removeTraces(ctx, record);
  await removeCheckpoints(ctx, record.id);
  await ctx.db.write((tx) => deleteInstanceRow(tx, record.id));
  for (const one of snapshots) snapshotEvent(ctx, "deleted", record, one, options);
  announce(ctx, "deleted", record, options);
}

/** Logs, device nodes, the seccomp profile. */
export async function removeTraces(
  ctx: InstanceContext,
  record: Pick<InstanceRecord, "project" | "name">,
): Promise<void> {
  for (
    const path of [
      ctx.paths.instanceLogs(record.project, record.name),
      ctx.paths.at("devices", lxcName(record)),
      ctx.paths.at("backups/instances", lxcName(record)),
      ctx.paths.at("security", "seccomp", lxcName(record)),
    ]
  ) {
    await removeTree(path);
  }
}
