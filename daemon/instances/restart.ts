/** Stop and start of one instance as one action. */
import { updateInstance } from "#daemon/db/instances.ts";
import type { InstanceContext } from "./context.ts";
import type { InstanceRecord } from "./record.ts";
import { startInstance } from "./start.ts";
import { stopInstance, type StopOptions } from "./stop.ts";

/** An ephemeral instance stays what it is: only between stop and start it is not. */
export async function restartInstance(
  ctx: InstanceContext,
  instance: InstanceRecord,
  options: StopOptions,
): Promise<void> {
  if (instance.isEphemeral) await setEphemeral(ctx, instance.id, false);
  try {
    await stopInstance(ctx, instance, { ...options, isSilent: true });
    await startInstance(ctx, instance, { ...options, isRestart: true });
  } finally {
    if (instance.isEphemeral) await setEphemeral(ctx, instance.id, true);
  }
}

/** The end of an ephemeral instance deletes it. */
export async function setEphemeral(
  ctx: InstanceContext,
  id: number,
  value: boolean,
): Promise<void> {
  await ctx.db.write((tx) => updateInstance(tx, id, { isEphemeral: value }));
}
