/** Builds the instances service out of what it needs. */
import type { HostPath } from "#base/brand.ts";
import { LockTable } from "#base/lock.ts";
import type { Database } from "#daemon/db/db.ts";
import { getInstance, getInstanceById, listInstances } from "#daemon/db/instances.ts";
import { getSnapshot, listSnapshots } from "#daemon/db/instances_snapshots.ts";
import { holdersOf, type VolumeName } from "#daemon/db/volume_uses.ts";
import { DEVICE_TYPES, deviceTypes } from "#daemon/devices/registry.ts";
import type { DeviceType } from "#daemon/devices/device.ts";
import { PathWatches } from "#daemon/host/path_watch.ts";
import { Uevents } from "#daemon/host/uevents.ts";
import type { Images } from "#daemon/images/service.ts";
import type { Networks } from "#daemon/networks/service.ts";
import type { Events } from "#daemon/operations/events.ts";
import type { Paths } from "#daemon/paths.ts";
import type { Storage } from "#daemon/storage/service.ts";
import { Interception } from "#daemon/security/interception.ts";
import { assertDumpable } from "./checkpoint.ts";
import { type InstanceContext, volumeOf } from "./context.ts";
import { assertDeletable, deleteInstance } from "./delete.ts";
import { readFacts } from "./facts.ts";
import { currentMap, diskMapOf } from "./id_maps.ts";
import { freezeInstance, unfreezeInstance } from "./freeze.ts";
import { isRunning, pidOf, type RunState } from "./machine.ts";
import { createInstance } from "./make.ts";
import { planCreation } from "./plan_creation.ts";
import { instanceSamples, renderMetrics } from "./metrics.ts";
import { moveInstance, planMove } from "./move.ts";
import { NetworkStates } from "./network_states.ts";
import { applyProfileChange, checkProfileChange } from "./profile_change.ts";
import { architectureName, type InstanceRecord } from "./record.ts";
import { autostart, recoverInstances, shouldAutostart, stopAllInstances } from "./recover.ts";
import { assertRefreshable, refreshInstance } from "./refresh.ts";
import { assertRenamable, renameTo } from "./rename.ts";
import { runningLookup } from "./running.ts";
import { Runtime } from "./runtime.ts";
import type { InstanceActions, InstanceService } from "./service.ts";
import { snapshotChores } from "./snapshot_chores.ts";
import {
  changeSnapshotExpiry,
  deleteSnapshot,
  renameSnapshot,
  restoreSnapshot,
} from "./snapshots.ts";
import { planSnapshotName, takeSnapshot } from "./take_snapshot.ts";
import { planRebuild, rebuildInstance } from "./rebuild.ts";
import { restartInstance } from "./restart.ts";
import { startInstance, startStateful } from "./start.ts";
import { instanceState, UsageCache } from "./state.ts";
import { handleEnd, stopInstance, stopStateful } from "./stop.ts";
import { changeInstance } from "./update.ts";

export interface InstanceDeps {
  readonly paths: Paths;
  readonly db: Database;
  readonly events: Events;
  readonly images: Images;
  readonly storage: Storage;
  readonly networks: Networks;
  /** Path of the C helper. */
  readonly helper: HostPath;
  /** Device types besides none, disk, unix-char and unix-block: the nics. */
  readonly deviceTypes?: readonly DeviceType[];
  /** The configuration or devices of one that runs were changed. */
  readonly onChanged?: (before: InstanceRecord, after: InstanceRecord) => void;
  /** Something that nobody waits for failed. */
  readonly onError: (what: string, error: unknown) => void;
}

/** Opens liblxc and reads the host's facts. @throws {Fault} unavailable without a fit liblxc */
export function createInstances(deps: InstanceDeps): InstanceService {
  const { onError } = deps;
  const watches = { paths: new PathWatches(), uevents: new Uevents(deps.helper, onError), onError };
  const ctx: InstanceContext = {
    ...deps,
    devices: { networks: deps.networks, storage: deps.storage, helper: deps.helper, watches },
    types: deviceTypes([...DEVICE_TYPES, ...deps.deviceTypes ?? []]),
    socket: deps.paths.at("unix.socket"),
    facts: readFacts(),
    interception: new Interception(deps.helper, deps.paths.at("seccomp.socket")),
    locks: new LockTable(),
    pendingBackups: new Set(),
    networkStates: new NetworkStates(deps.helper),
    runtime: new Runtime((id, monitor) =>
      void handleEnd(ctx, id, monitor).catch((error) =>
        deps.onError("handle the end of an instance", error)
      )
    ),
  };
  return {
    async listUses() {
      const all = await ctx.db.read((tx) => listInstances(tx));
      return all.map((record) => ({
        ...record,
        profiles: record.profiles.map((layer) => layer.name),
      }));
    },
    checkProfileChange: (project, profile, next) => checkProfileChange(ctx, project, profile, next),
    applyProfileChange: (project, profile, before) =>
      applyProfileChange(ctx, project, profile, before),
    async sourceOf(project, name, snapshot) {
      const { record, saved } = await ctx.db.read(async (tx) => {
        const found = await getInstance(tx, project, name);
        const row = snapshot === undefined ? undefined : await getSnapshot(tx, found, snapshot);
        return { record: found, saved: row };
      });
      return {
        diskMap: diskMapOf((saved ?? record).config),
        volume: volumeOf(record),
        architecture: architectureName(record.architecture),
        isRunning: snapshot === undefined && isRunning(ctx.runtime.state(record.id)),
      };
    },
    pidOf: (ref) => Promise.resolve(pidOf(ctx.runtime.state(ref.id))),
    running: runningLookup(ctx),
    actions: actions(ctx),
    context: ctx,
    async runningUsers(volume) {
      const users = await usersOf(ctx, volume);
      const isUsing = (state: RunState) => isRunning(state) || state.status === "starting";
      return users.filter(({ id }) => isUsing(ctx.runtime.state(id))).map(({ name }) => name);
    },
    async volumeUsers(volume) {
      return (await usersOf(ctx, volume)).map((record) => ({
        ...record,
        idmap: currentMap(ctx, record),
      }));
    },
    chores: snapshotChores(ctx),
    async recover() {
      const wanted = (await ctx.db.read((tx) => listInstances(tx))).filter(shouldAutostart);
      await recoverInstances(ctx);
      return { autostarted: autostart(ctx, wanted) };
    },
    leave: () => ctx.runtime.leave(),
    async stopAll() {
      await stopAllInstances(ctx);
      ctx.networkStates[Symbol.dispose]();
      ctx.interception[Symbol.dispose]();
      watches.paths[Symbol.dispose]();
      watches.uevents[Symbol.dispose]();
    },
  };
}

function actions(ctx: InstanceContext): InstanceActions {
  const usage = new UsageCache();
  const list = cachedList(ctx);
  const fresh = ({ id }: InstanceRecord) => ctx.db.read((tx) => getInstanceById(tx, id));
  return {
    get: (project, name) => ctx.db.read((tx) => getInstance(tx, project, name)),
    list,
    snapshots: (instances) => ctx.db.read((tx) => listSnapshots(tx, instances)),
    state: (id) => ctx.runtime.state(id),
    fullState: (instance, state) => instanceState(ctx, { record: instance, state, usage }),
    metrics: async (project) => renderMetrics(await instanceSamples(ctx, await list(project))),
    planCreation: (project, body, filled) => planCreation(ctx, project, body, filled),
    create: (plan, asked) => createInstance(ctx, plan, asked),
    start: (instance, asked) => startInstance(ctx, instance, asked),
    startStateful: (instance, asked) => startStateful(ctx, instance, asked),
    stopStateful: (instance, asked) => stopStateful(ctx, instance, asked),
    assertDumpable: (instance, what) => assertDumpable(ctx, instance, what),
    stop: (instance, options) => stopInstance(ctx, instance, options),
    restart: (instance, options) => restartInstance(ctx, instance, options),
    freeze: (instance, asked) => freezeInstance(ctx, instance, asked.caller),
    unfreeze: (instance, asked) => unfreezeInstance(ctx, instance, asked.caller),
    change: (instance, wish, asked) => changeInstance(ctx, instance, wish, asked),
    assertRenamable: (instance, name) => assertRenamable(ctx, instance, name),
    rename: async (instance, name, asked) =>
      await renameTo(ctx, await fresh(instance), name, asked),
    async planRefresh(project, name, { source = {} }) {
      const from = source.project || project;
      const found = await ctx.db.read(async (tx) => ({
        target: await getInstance(tx, project, name),
        source: await getInstance(tx, from, source.source ?? ""),
      }));
      assertRefreshable(ctx, found.target);
      const instanceOnly = source.instance_only ?? source.container_only ?? false;
      return { ...found, withSnapshots: !instanceOnly };
    },
    refresh: ({ target, source, withSnapshots }, asked) =>
      refreshInstance(ctx, target, source, { ...asked, withSnapshots }),
    planMove: (instance, wish) => planMove(ctx, instance, wish),
    move: (instance, plan, asked) => moveInstance(ctx, instance, plan, asked),
    planRebuild: (instance, source) => planRebuild(ctx, instance, source),
    rebuild: (instance, plan, asked) => rebuildInstance(ctx, instance, plan, asked),
    assertDeletable: (instance) => assertDeletable(ctx, instance),
    delete: (instance, asked) => deleteInstance(ctx, instance, asked),
    getSnapshot: (instance, name) => ctx.db.read((tx) => getSnapshot(tx, instance, name)),
    planSnapshotName: (instance, name) => planSnapshotName(ctx, instance, name),
    takeSnapshot: (instance, wish, asked) => takeSnapshot(ctx, instance, wish, asked),
    restore: (instance, snapshot, asked) => restoreSnapshot(ctx, instance, snapshot, asked),
    renameSnapshot: (instance, change, asked) => renameSnapshot(ctx, instance, change, asked),
    deleteSnapshot: (instance, name, asked) => deleteSnapshot(ctx, instance, name, asked),
    changeSnapshotExpiry: (instance, change, asked) =>
      changeSnapshotExpiry(ctx, instance, change, asked),
    noteTarget: (id, target) => ctx.runtime.noteTarget(id, target),
  };
}

async function usersOf(ctx: InstanceContext, volume: VolumeName): Promise<InstanceRecord[]> {
  const { all, holders } = await ctx.db.read(async (tx) => ({
    all: await listInstances(tx),
    holders: await holdersOf(tx, volume.project),
  }));
  return all.filter((record) =>
    holders.has(record.project) &&
    Object.values(record.expandedDevices).some((one) =>
      one["type"] === "disk" && one["pool"] === volume.pool && one["source"] === volume.name
    )
  );
}

/** The list is read once per version of the database. */
function cachedList(ctx: InstanceContext): InstanceActions["list"] {
  let version = -1;
  let kept: Promise<InstanceRecord[]> | undefined;
  return async (project) => {
    if (kept === undefined || version !== ctx.db.version) {
      version = ctx.db.version;
      kept = ctx.db.read((tx) => listInstances(tx));
      kept.catch(() => kept = undefined);
    }
    const all = await kept;
    return project === undefined ? all : all.filter((record) => record.project === project);
  };
}
