/** Events of an instance that tell of its snapshots too. */
import { listSnapshots } from "#daemon/db/instances_snapshots.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { announce, type InstanceContext, snapshotUrl, volumeOf } from "./context.ts";
import type { InstanceRecord } from "./record.ts";

interface Asked {
  readonly caller?: Caller;
}

/** "instance-snapshot-<action>", as LXD tells it. */
export function snapshotEvent(
  ctx: InstanceContext,
  action: string,
  instance: InstanceRecord,
  name: string,
  options: Asked,
  context?: Readonly<Record<string, unknown>>,
): void {
  ctx.events.lifecycle({
    action: `instance-snapshot-${action}`,
    source: snapshotUrl(instance, name),
    project: instance.project,
    ...(context !== undefined && { context }),
    ...(options.caller !== undefined && { caller: options.caller }),
  });
}

/** A new instance, and the snapshots that it came with. */
export async function announceCreated(
  ctx: InstanceContext,
  instance: InstanceRecord,
  options: Asked,
): Promise<void> {
  const context = { "type": "container", "storage-pool": volumeOf(instance).pool };
  announce(ctx, "created", instance, { ...options, context });
  for (const one of await snapshotNames(ctx, instance)) {
    snapshotEvent(ctx, "created", instance, one, options);
  }
}

/** Oldest first. */
export async function snapshotNames(
  ctx: InstanceContext,
  instance: InstanceRecord,
): Promise<string[]> {
  const all = await ctx.db.read((tx) => listSnapshots(tx, [instance]));
  return (all.get(instance.id) ?? []).map(({ name }) => name);
}
