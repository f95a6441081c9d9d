/**
 * Stop an instance, and what follows from any end: a request, a shutdown from inside, a crash. The end
 * of liblxc's monitor is the one signal; `handleEnd` is the one path behind it.
 */
import type { Pid } from "#base/brand.ts";
import { Fault, messageOf } from "#base/errors.ts";
import { thaw } from "#daemon/cgroup/freezer.ts";
import { findInstanceById, patchInstanceConfig, updateInstance } from "#daemon/db/instances.ts";
import { requireType, startOrder } from "#daemon/devices/registry.ts";
import { removeTree } from "#daemon/host/files.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { parseIdmapJson } from "#daemon/idmap/format.ts";
import { openPidfd, signalPidfd } from "#ffi/libc/process.ts";
import { assertDumpable, checkpointOf, dump } from "./checkpoint.ts";
import { announce, type InstanceContext, lockInstance, lxcName, volumeOf } from "./context.ts";
import { unconfine } from "./confinement.ts";
import { rebalance } from "./cpus.ts";
import { removeInstance } from "./delete.ts";
import { deviceHost, deviceOf, VolatileChanges } from "./device_host.ts";
import { waitUntilHandled } from "./init_signals.ts";
import { assertAllowed, pidOf } from "./machine.ts";
import type { InstanceRecord } from "./record.ts";
import { startLocked } from "./start.ts";

const SIGKILL = 9;
const SIGPWR = 30;
/** SIGRTMIN+3: systemd's "halt". */
const SIGHALT_SYSTEMD = 37;

export interface StopOptions {
  readonly caller?: Caller;
  readonly signal?: AbortSignal;
  readonly isForced: boolean;
  /** How long to wait for a clean end; undefined: for ever. */
  readonly timeoutMs?: number;
  /** A restart announces itself. */
  readonly isSilent?: boolean;
}

/**
 * @throws {Fault} bad_request if it does not run, unavailable if a clean stop takes too long (the
 * instance goes on shutting down).
 */
export async function stopInstance(
  ctx: InstanceContext,
  instance: InstanceRecord,
  options: StopOptions,
): Promise<void> {
  const { ended } = await signalStop(ctx, instance, options);
  await endOrTimeout(instance, ended, options);
  if (options.isSilent === true) return;
  announce(ctx, options.isForced ? "stopped" : "shutdown", instance, options);
}

/**
 * Its processes end, and go on from there at its next start.
 *
 * @throws {Fault} bad_request with CRIU's reason; it runs on.
 */
export async function stopStateful(
  ctx: InstanceContext,
  instance: InstanceRecord,
  options: { readonly caller?: Caller; readonly signal?: AbortSignal },
): Promise<void> {
  const { ended } = await dumpAndStop(ctx, instance, options);
  await ended;
  announce(ctx, "stopped", instance, options);
}

async function dumpAndStop(
  ctx: InstanceContext,
  instance: InstanceRecord,
  options: { readonly signal?: AbortSignal },
): Promise<{ readonly ended: Promise<void> }> {
  using _held = await lockInstance(ctx, instance, options.signal);
  const what = "stop with its running state";
  const state = ctx.runtime.state(instance.id);
  await assertDumpable(ctx, instance, what);
  if (instance.isEphemeral) {
    throw new Fault("bad_request", `Unable to ${what}. An ephemeral instance is gone at its stop`);
  }
  const ended = ctx.runtime.whenStopped(instance.id);
  if (!("monitor" in state)) return { ended };
  const { pid, monitor } = state;
  ctx.runtime.set(instance.id, { status: "stopping", pid, monitor });
  try {
    await dump(ctx, instance, checkpointOf(ctx, instance.id), "stop");
  } catch (error) {
    ctx.runtime.set(instance.id, { status: "running", pid, monitor });
    throw error;
  }
  await ctx.db.write((tx) => updateInstance(tx, instance.id, { isStateful: true }));
  return { ended };
}

async function signalStop(
  ctx: InstanceContext,
  instance: InstanceRecord,
  options: StopOptions,
): Promise<{ readonly ended: Promise<void> }> {
  using _held = await lockInstance(ctx, instance, options.signal);
  const state = ctx.runtime.state(instance.id);
  assertAllowed(state, "stop");
  const pid = pidOf(state);
  const ended = ctx.runtime.whenStopped(instance.id);
  if (pid === undefined) return { ended };
  if (state.status === "frozen") thaw(ctx.runtime.cgroups(instance.id));
  if ("monitor" in state) {
    ctx.runtime.set(instance.id, { status: "stopping", pid, monitor: state.monitor });
  }
  if (options.isForced) kill(pid);
  else askToStop(ctx, instance, pid, options);
  return { ended };
}

function kill(pid: Pid): void {
  try {
    using pidfd = openPidfd(pid);
    signalPidfd(pidfd.fd, SIGKILL);
  } catch {
    // Ignored: it is gone, which is what was wanted; the monitor's end tells.
  }
}

/** Send the halt signal once init handles it; a booting init would drop it. */
function askToStop(
  ctx: InstanceContext,
  instance: InstanceRecord,
  pid: Pid,
  options: StopOptions,
): void {
  const signal = haltSignal(instance, pid);
  const over = options.timeoutMs === undefined ? undefined : AbortSignal.timeout(options.timeoutMs);
  void waitUntilHandled(pid, signal, over).then((isHandled) => {
    if (!isHandled) return;
    using pidfd = openPidfd(pid);
    signalPidfd(pidfd.fd, signal);
  }).catch((error) => {
    if (pidOf(ctx.runtime.state(instance.id)) === pid) ctx.onError("ask init to stop", error);
  });
}

function haltSignal(instance: InstanceRecord, pid: Pid): number {
  const raw = /^\s*lxc\.signal\.halt\s*=\s*(\S+)/m.exec(instance.expandedConfig["raw.lxc"] ?? "");
  if (raw !== null) return signalNumber(raw[1] ?? "") ?? SIGPWR;
  try {
    const name = Deno.readTextFileSync(`/proc/${pid}/comm`).trim();
    return name === "systemd" ? SIGHALT_SYSTEMD : SIGPWR;
  } catch {
    return SIGPWR; // Ignored: it is gone.
  }
}

const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGTERM: 15,
  SIGPWR: 30,
};

function signalNumber(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text);
  const realtime = /^SIGRTMIN\+(\d+)$/.exec(text);
  return realtime === null ? SIGNALS[text] : 34 + Number(realtime[1]);
}

async function endOrTimeout(
  instance: InstanceRecord,
  ended: Promise<void>,
  options: StopOptions,
): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = options.timeoutMs === undefined ? undefined : setTimeout(() => {
    late.reject(
      new Fault("unavailable", `Failed shutting down instance "${instance.name}": timed out`, {
        hint: "It may still be shutting down; lxc stop --force kills it.",
      }),
    );
  }, options.timeoutMs);
  const onAbort = () => late.reject(options.signal?.reason);
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([ended, late.promise]);
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", onAbort);
  }
}

/** A monitor ended: clean up, delete an ephemeral instance, start again after a reboot from inside. */
export async function handleEnd(ctx: InstanceContext, id: number, monitor: Pid): Promise<void> {
  using _held = await lockInstance(ctx, { id });
  const state = ctx.runtime.state(id);
  if (!("monitor" in state) || state.monitor !== monitor) return; // Handled already.
  const wasAsked = state.status === "stopping";
  const isReboot = ctx.runtime.target(id) === "reboot";
  const record = await ctx.db.read((tx) => findInstanceById(tx, id));
  if (record === undefined) return ctx.runtime.stopped(id);
  kill(state.pid); // The monitor may have been killed alone.
  try {
    await cleanUp(ctx, record);
  } catch (error) {
    ctx.onError(`clean up after instance "${record.name}"`, error);
  }
  if (isReboot && !wasAsked) {
    ctx.runtime.stopped(id);
    try {
      await startLocked(ctx, id, { isRestart: true });
    } catch (error) {
      ctx.onError(`restart instance "${record.name}" after its reboot`, error);
    }
    return;
  }
  if (record.isEphemeral) {
    await removeInstance(ctx, record, {}).catch((error) =>
      ctx.onError(`delete ephemeral instance "${record.name}"`, error)
    );
  }
  ctx.runtime.stopped(id);
  if (!wasAsked) announce(ctx, "shutdown", record);
}

/** Devices in reverse, the root as stopped, volatile values. Idempotent; the lock is held. */
export async function cleanUp(ctx: InstanceContext, record: InstanceRecord): Promise<void> {
  const volatile = new VolatileChanges(record.config);
  const idmap = parseIdmapJson(record.config["volatile.idmap.current"]) ?? null;
  const host = deviceHost(ctx, record, { volatile, idmap });
  const failures: string[] = [];
  for (const [name, config] of startOrder(record.expandedDevices).reverse()) {
    try {
      await requireType(ctx.types, name, config).stop(deviceOf(ctx, host, name, config));
    } catch (error) {
      failures.push(`device "${name}": ${messageOf(error)}`);
    }
  }
  await removeTree(ctx.paths.at("devices", lxcName(record)));
  await unconfine(ctx, record);
  await ctx.storage.instances.presentStopped(volumeOf(record));
  volatile.set({ "volatile.last_state.power": "STOPPED" });
  await ctx.db.write((tx) => patchInstanceConfig(tx, record.id, volatile.changes));
  void rebalance(ctx).catch((error) => ctx.onError("balance CPUs", error));
  if (failures.length > 0) throw new Fault("internal", failures.join("; "));
}
