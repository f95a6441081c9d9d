/** Freeze and thaw. */
import { freeze, thaw } from "#daemon/cgroup/freezer.ts";
import { patchInstanceConfig } from "#daemon/db/instances.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { announce, type InstanceContext, lockInstance } from "./context.ts";
import { assertAllowed } from "./machine.ts";
import type { InstanceRecord } from "./record.ts";

/** @throws {Fault} bad_request if it does not run or is frozen already. */
export async function freezeInstance(
  ctx: InstanceContext,
  instance: InstanceRecord,
  caller?: Caller,
): Promise<void> {
  using _held = await lockInstance(ctx, instance);
  const state = ctx.runtime.state(instance.id);
  assertAllowed(state, "freeze");
  if (!("monitor" in state)) return;
  await freeze(ctx.runtime.cgroups(instance.id));
  ctx.runtime.set(instance.id, { status: "frozen", pid: state.pid, monitor: state.monitor });
  await keepPower(ctx, instance.id, "FROZEN");
  announce(ctx, "paused", instance, caller === undefined ? {} : { caller });
}

/** @throws {Fault} bad_request if it is not frozen. */
export async function unfreezeInstance(
  ctx: InstanceContext,
  instance: InstanceRecord,
  caller?: Caller,
): Promise<void> {
  using _held = await lockInstance(ctx, instance);
  const state = ctx.runtime.state(instance.id);
  assertAllowed(state, "unfreeze");
  if (!("monitor" in state)) return;
  thaw(ctx.runtime.cgroups(instance.id));
  ctx.runtime.set(instance.id, { status: "running", pid: state.pid, monitor: state.monitor });
  await keepPower(ctx, instance.id, "RUNNING");
  announce(ctx, "resumed", instance, caller === undefined ? {} : { caller });
}

/** So that a daemon that is killed now knows whose wish the freeze was. */
async function keepPower(ctx: InstanceContext, id: number, power: string): Promise<void> {
  await ctx.db.write((tx) => patchInstanceConfig(tx, id, { "volatile.last_state.power": power }));
}

/**
 * Run `copy` with a running instance frozen; the lock is held. A stopped or frozen one stays so.
 *
 * @param onThawed gets for how long it was.
 */
export async function whileFrozen<T>(
  ctx: InstanceContext,
  instance: InstanceRecord,
  copy: () => Promise<T>,
  onThawed: (frozenMs: number) => void = () => {},
): Promise<T> {
  if (ctx.runtime.state(instance.id).status !== "running") return await copy();
  const cgroups = ctx.runtime.cgroups(instance.id);
  using _held = ctx.runtime.hold(instance.id);
  const begun = performance.now();
  await freeze(cgroups);
  try {
    return await copy();
  } finally {
    thaw(cgroups);
    onThawed(performance.now() - begun);
  }
}
