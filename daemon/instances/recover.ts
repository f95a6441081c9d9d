/**
 * Daemon start: compare the rows with the kernel. Running containers are adopted untouched, half-made
 * ones removed, ends that nobody saw are handled, then what should run is started.
 */
import type { Pid } from "#base/brand.ts";
import { messageOf } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import { isFalse, isTrue, parseBytes } from "#base/units.ts";
import { deleteInstanceRow, listInstances, patchInstanceConfig } from "#daemon/db/instances.ts";
import { repairVolumeSnapshots } from "#daemon/db/volume_snapshots.ts";
import { isFrozen, thaw } from "#daemon/cgroup/freezer.ts";
import { CgroupReader } from "#daemon/cgroup/reader.ts";
import {
  INSTANCE_ENTITY,
  raiseWarning,
  resolveWarnings,
  WARNING_TYPES,
} from "#daemon/db/warnings.ts";
import { type HostView, noteShortcomings } from "#daemon/host/shortcomings.ts";
import { requireType, startOrder } from "#daemon/devices/registry.ts";
import { parseIdmapJson } from "#daemon/idmap/format.ts";
import { Container } from "#ffi/liblxc/container.ts";
import { saveBackupYaml } from "./backup_yaml.ts";
import { forgetState, sweepCheckpoints } from "./checkpoint.ts";
import { type InstanceContext, lockInstance, lxcName, lxcPath, volumeOf } from "./context.ts";
import { removeInstance, removeTraces } from "./delete.ts";
import { filterCalls, intercept } from "./confinement.ts";
import { deviceHost, deviceOf, VolatileChanges } from "./device_host.ts";
import { findRootDisk } from "./expand.ts";
import { addDevices } from "./make.ts";
import type { InstanceRecord } from "./record.ts";
import { MOVE_OF, recoverMove } from "./move.ts";
import { REBUILD, recoverRebuild } from "./rebuild.ts";
import { RENAME_TO, undoRename } from "./rename.ts";
import { findRunning, startInstance } from "./start.ts";
import { cleanUp, stopInstance } from "./stop.ts";
import { repairSnapshots } from "./unfinished_snapshots.ts";

/** Called once, before requests are served. One instance that fails does not keep others from it. */
export async function recoverInstances(ctx: InstanceContext): Promise<void> {
  await attempt(
    ctx,
    "repair records of volume snapshots",
    () => ctx.db.write((tx) => repairVolumeSnapshots(tx)),
  );
  await attempt(ctx, "note what the host lacks", () => noteShortcomings(ctx.db, hostView(ctx)));
  const all = await ctx.db.read((tx) => listInstances(tx));
  const whole: InstanceRecord[] = [];
  for (const record of all) {
    if (!record.isHalfMade) whole.push(record);
    else {await attempt(ctx, `remove half-made instance "${record.name}"`, () =>
        removeHalfMade(ctx, record));}
  }
  const renamed = whole.filter((record) => record.config[RENAME_TO] !== undefined);
  const rebuilt = whole.filter((record) => record.config[REBUILD] !== undefined);
  const isMoved = whole.some((record) => record.config[MOVE_OF] !== undefined);
  if (isMoved || renamed.length + rebuilt.length > 0) await ctx.storage.recover([]); // Opens the pools.
  for (const record of rebuilt) {
    await attempt(
      ctx,
      `finish the rebuild of instance "${record.name}"`,
      () => recoverRebuild(ctx, record),
    );
  }
  for (const record of renamed) {
    await attempt(
      ctx,
      `take back the rename of instance "${record.name}"`,
      () => undoRename(ctx, record),
    );
  }
  const moved = whole.filter((record) => record.config[MOVE_OF] !== undefined);
  for (const record of moved) {
    await attempt(ctx, `end the move of instance "${record.name}"`, () => recoverMove(ctx, record));
  }
  if (moved.length > 0) {
    const left = await ctx.db.read((tx) => listInstances(tx));
    whole.splice(0, whole.length, ...left.filter((record) => !record.isHalfMade));
  }
  const running = new Set<number>();
  for (const record of whole) {
    await attempt(ctx, `adopt instance "${record.name}"`, async () => {
      if (await adopt(ctx, record)) running.add(record.id);
    });
  }
  await ctx.storage.recover(
    whole.filter((record) => findRootDisk(record.expandedDevices) !== undefined)
      .map((record) => ({ volume: volumeOf(record), running: running.has(record.id) })),
  );
  await attempt(ctx, "sweep running states", () => sweepCheckpoints(ctx, all));
  for (const record of whole) {
    if (running.has(record.id)) {
      // Its start was not finished: what it went on from is the past.
      await attempt(ctx, `forget the state of "${record.name}"`, () => forgetState(ctx, record.id));
      await attempt(
        ctx,
        `adopt the root of "${record.name}"`,
        () => ctx.storage.instances.adopt(volumeOf(record)),
      );
    } else {
      await attempt(
        ctx,
        `settle stopped instance "${record.name}"`,
        () => settleStopped(ctx, record),
      );
    }
  }
  await attempt(ctx, "repair snapshots", () => repairSnapshots(ctx));
}

function hostView({ facts }: InstanceContext): HostView {
  const { layout, hasAppArmor, limits: { hasMemsw, blockWeight } } = facts;
  return { layout, hasAppArmor, hasMemsw, hasBlockWeight: blockWeight !== undefined };
}

/** A half-started one may run already: nothing of it may stay. */
async function removeHalfMade(ctx: InstanceContext, record: InstanceRecord): Promise<void> {
  using container = new Container(lxcName(record), lxcPath(ctx));
  if (await container.initPid() !== undefined) await container.stop();
  if (findRootDisk(record.expandedDevices) === undefined) {
    await removeTraces(ctx, record);
    return await ctx.db.write((tx) => deleteInstanceRow(tx, record.id));
  }
  await removeInstance(ctx, record, {});
}

/** Asked of the kernel, for names on disk that may have no record. */
export async function isRunningOnHost(
  ctx: Pick<InstanceContext, "paths">,
  nameOnDisk: string,
): Promise<boolean> {
  using container = new Container(nameOnDisk, ctx.paths.at("containers"));
  return await container.initPid() !== undefined;
}

/**
 * An instance whose record was made again for a tree that was there all the time, and may run. Its
 * records are complete: what fails here is reported, as at the start of the daemon.
 */
export async function takeUpInstance(ctx: InstanceContext, record: InstanceRecord): Promise<void> {
  using _held = await lockInstance(ctx, record);
  const volume = volumeOf(record);
  let isRunning = false;
  await attempt(ctx, `adopt instance "${record.name}"`, async () => {
    isRunning = await adopt(ctx, record);
    // A shutdown of the daemon that did not know it took its filter away.
    if (isRunning) await filterCalls(ctx, record, record.expandedConfig);
  });
  await attempt(
    ctx,
    `show instance "${record.name}"`,
    () => ctx.storage.show(volume, isRunning),
  );
  if (!isRunning) {
    await attempt(ctx, `settle instance "${record.name}"`, () => settleRecovered(ctx, record));
  }
  const size = findRootDisk(record.expandedDevices)?.config["size"] ?? "";
  if (size !== "") {
    await attempt(
      ctx,
      `limit the root of "${record.name}"`,
      () => ctx.storage.instances.resize(volume, parseBytes(size)),
    );
  }
  await attempt(ctx, `write backup.yaml`, () => saveBackupYaml(ctx, record.id));
}

async function settleRecovered(ctx: InstanceContext, record: InstanceRecord): Promise<void> {
  if (hasTraces(ctx, record)) await cleanUp(ctx, record);
  await using undo = new Undo();
  await addDevices(ctx, record, undo);
  undo.keep();
}

/** @returns false if it does not run. */
async function adopt(ctx: InstanceContext, record: InstanceRecord): Promise<boolean> {
  using container = new Container(lxcName(record), lxcPath(ctx));
  if (await container.initPid() === undefined) return false;
  const running = await findRunning(ctx, record);
  using reader = new CgroupReader(running.cgroups);
  const stands = isFrozen(reader);
  // A snapshot that was being taken froze it; a pause by the user is kept in the power state.
  const wasPaused = record.config["volatile.last_state.power"] === "FROZEN";
  if (stands && !wasPaused) thaw(running.cgroups);
  ctx.runtime.started(record.id, running, stands && wasPaused);
  await adoptDevices(ctx, record, running.pid);
  await intercept(ctx, record, record.expandedConfig);
  return true;
}

/** What devices of a running container watch has to be watched by this daemon now. */
async function adoptDevices(ctx: InstanceContext, record: InstanceRecord, pid: Pid): Promise<void> {
  const volatile = new VolatileChanges(record.config);
  const idmap = parseIdmapJson(record.config["volatile.idmap.current"]) ?? null;
  const host = deviceHost(ctx, record, { volatile, idmap });
  for (const [name, config] of startOrder(record.expandedDevices)) {
    await attempt(ctx, `adopt device "${name}" of "${record.name}"`, async () => {
      await requireType(ctx.types, name, config).adopt?.(deviceOf(ctx, host, name, config), pid);
    });
  }
  if (!volatile.isEmpty) {
    await ctx.db.write((tx) => patchInstanceConfig(tx, record.id, volatile.changes));
  }
}

/** It ended while no daemon looked, or its start was interrupted: the same clean-up as for any end. */
async function settleStopped(ctx: InstanceContext, record: InstanceRecord): Promise<void> {
  if (!hasTraces(ctx, record)) return;
  await cleanUp(ctx, record);
  if (record.isEphemeral) await removeInstance(ctx, record, {});
}

function hasTraces(ctx: InstanceContext, record: InstanceRecord): boolean {
  const power = record.config["volatile.last_state.power"];
  return power === "RUNNING" || power === "FROZEN" || hasDeviceDirectory(ctx, record);
}

function hasDeviceDirectory(ctx: InstanceContext, record: InstanceRecord): boolean {
  try {
    return Deno.statSync(ctx.paths.at("devices", lxcName(record))).isDirectory;
  } catch {
    return false; // Ignored: none.
  }
}

/** Those with boot.autostart, or that ran when the daemon (or host) went down, by priority. */
export async function autostart(
  ctx: InstanceContext,
  wanted: readonly InstanceRecord[],
): Promise<void> {
  const order = [...wanted].sort((a, b) =>
    priority(b, "boot.autostart.priority") - priority(a, "boot.autostart.priority") ||
    a.name.localeCompare(b.name)
  );
  for (const record of order) {
    if (ctx.runtime.state(record.id).status !== "stopped") continue;
    await attempt(ctx, `start instance "${record.name}"`, () => startOrWarn(ctx, record));
    const delay = Number(record.expandedConfig["boot.autostart.delay"] ?? 0);
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay * 1000));
  }
}

async function startOrWarn(ctx: InstanceContext, record: InstanceRecord): Promise<void> {
  const { code } = WARNING_TYPES.autostart;
  const entity = { typeCode: INSTANCE_ENTITY, id: record.id };
  try {
    await startInstance(ctx, record);
    await ctx.db.write((tx) => resolveWarnings(tx, code, entity));
  } catch (error) {
    const { project } = record;
    const message = messageOf(error);
    await ctx.db.write((tx) => raiseWarning(tx, { code, message, project, entity }));
    throw error;
  }
}

/** Must it run after the daemon's start? Asked before recovery writes the power states. Pure. */
export function shouldAutostart(record: InstanceRecord): boolean {
  if (record.isHalfMade || record.isEphemeral) return false;
  const wish = record.expandedConfig["boot.autostart"];
  if (isTrue(wish)) return true;
  const power = record.config["volatile.last_state.power"] ?? "";
  return !isFalse(wish) && (power === "RUNNING" || power === "FROZEN");
}

/** Stop all cleanly, each by its own timeout, in descending boot.stop.priority. */
export async function stopAllInstances(ctx: InstanceContext): Promise<void> {
  const ids = new Set(ctx.runtime.running());
  const all = await ctx.db.read((tx) => listInstances(tx));
  const groups = Map.groupBy(
    all.filter((record) => ids.has(record.id)),
    (record) => priority(record, "boot.stop.priority"),
  );
  for (const [, records] of [...groups].sort(([a], [b]) => b - a)) {
    await Promise.all(records.map((record) => stopForShutdown(ctx, record)));
  }
}

async function stopForShutdown(ctx: InstanceContext, record: InstanceRecord): Promise<void> {
  const seconds = record.expandedConfig["boot.host_shutdown_timeout"] ?? "";
  const timeoutMs = Number(seconds === "" ? 30 : seconds) * 1000;
  await attempt(ctx, `stop instance "${record.name}"`, async () => {
    try {
      await stopInstance(ctx, record, { isForced: false, timeoutMs });
    } catch {
      // Ignored: what does not end by itself is killed.
      await stopInstance(ctx, record, { isForced: true, timeoutMs });
    }
    // The next start of the daemon starts it again.
    await ctx.db.write((tx) =>
      patchInstanceConfig(tx, record.id, { "volatile.last_state.power": "RUNNING" })
    );
  });
}

function priority(record: InstanceRecord, key: string): number {
  return Number(record.expandedConfig[key] ?? 0) || 0;
}

async function attempt(
  ctx: InstanceContext,
  what: string,
  run: () => Promise<void>,
): Promise<void> {
  try {
    await run();
  } catch (error) {
    ctx.onError(`${what}: ${messageOf(error)}`, error);
  }
}
