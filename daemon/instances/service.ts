/** Instances: the contract for routes, profiles, networks and storage. */
import type { InstanceSource, InstancesPost, InstanceState } from "#api/routes/instances.ts";
import type { Pid } from "#base/brand.ts";
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import type { Caller } from "#daemon/http/caller.ts";
import type { Chore } from "#daemon/operations/scheduler.ts";
import type { DiskMap } from "#daemon/storage/shift.ts";
import type { InstanceVolume, VolumeUser } from "#daemon/storage/service.ts";
import type { InstanceContext } from "./context.ts";
import type { MoveWish } from "./move.ts";
import type { RunState } from "./machine.ts";
import type { CreationPlan, FilledSource } from "./plan_creation.ts";
import type { RebuildPlan } from "./rebuild.ts";
import type { InstanceRecord, SnapshotRecord } from "./record.ts";
import type { RunningLookup } from "./running.ts";
import type { SnapshotTaken, SnapshotWish } from "./take_snapshot.ts";
import type { StopOptions } from "./stop.ts";
import type { InstanceWish } from "./update.ts";

export interface InstanceRef {
  readonly id: number;
  readonly project: string;
  readonly name: string;
}

export interface InstanceUse extends InstanceRef {
  readonly config: Readonly<Record<string, string>>;
  readonly devices: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly profiles: readonly string[];
  readonly expandedDevices: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface Instances {
  /** Everything that others need for "used by" lists. */
  listUses(): Promise<readonly InstanceUse[]>;
  /** A profile changed: validate for every user first, then apply live. Errors name each instance. */
  checkProfileChange(project: string, profile: string, next: ProfileConfig): Promise<void>;
  applyProfileChange(
    project: string,
    profile: string,
    before: ProfileConfig,
    caller?: Caller,
  ): Promise<void>;
  /** For publishing: the volume of an instance or snapshot. @throws {Fault} not_found */
  sourceOf(project: string, name: string, snapshot: string | undefined): Promise<{
    /** By which its files are shifted on disk. */
    readonly diskMap: DiskMap;
    readonly volume: InstanceVolume;
    readonly architecture: string;
    readonly isRunning: boolean;
  }>;
  /** Pid of init, undefined if not running. */
  pidOf(ref: Pick<InstanceRef, "id">): Promise<Pid | undefined>;
  /** For exec, console, files, logs. */
  readonly running: RunningLookup;
  /** What the routes of instances need. */
  readonly actions: InstanceActions;
  /** What the clock does with instances. */
  readonly chores: readonly Chore[];
  /** Daemon start: adopt running ones, repair half-made ones, then autostart. */
  recover(): Promise<{ readonly autostarted: Promise<void> }>;
  /** The daemon ends and instances go on: handle no end of theirs, the next daemon does. */
  leave(): void;
  /** Stop all cleanly (boot.stop.priority, boot.host_shutdown_timeout), remembering their power state. */
  stopAll(): Promise<void>;
}

/** For the folders beside this one: backups, migration. */
export interface InstanceService extends Instances {
  /** Names of running instances that have a custom volume among their disks. */
  runningUsers(volume: VolumeName): Promise<readonly string[]>;
  /** All that have it, with the maps that they run with, or would. */
  volumeUsers(volume: VolumeName): Promise<readonly VolumeUser[]>;
  readonly context: InstanceContext;
}

export interface ProfileConfig {
  readonly config: Readonly<Record<string, string>>;
  readonly devices: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** An action that a caller asked for and may cancel. */
export interface Asked {
  readonly caller?: Caller;
  readonly signal?: AbortSignal;
}

export interface RefreshPlan {
  readonly target: InstanceRecord;
  readonly source: InstanceRecord;
  readonly withSnapshots: boolean;
}

/** One method for each thing that the API can ask of instances. */
export interface InstanceActions {
  /** @throws {Fault} not_found */
  get(project: string, name: string): Promise<InstanceRecord>;
  /** Of one project, or of all. The same array until something is written. */
  list(project: string | undefined): Promise<readonly InstanceRecord[]>;
  snapshots(
    instances: readonly InstanceRecord[],
  ): Promise<ReadonlyMap<number, readonly SnapshotRecord[]>>;
  state(id: number): RunState;
  fullState(instance: InstanceRecord, state: RunState): Promise<InstanceState>;
  /** Of what runs in a project, or in all, as text for Prometheus. */
  metrics(project: string | undefined): Promise<string>;
  /** @param filled Where files and description come from, instead of the body's source. */
  planCreation(
    project: string,
    body: InstancesPost,
    filled?: FilledSource,
  ): Promise<CreationPlan>;
  create(plan: CreationPlan, asked: Asked): Promise<InstanceRecord>;
  start(instance: InstanceRecord, asked: Asked): Promise<void>;
  stop(instance: InstanceRecord, options: StopOptions): Promise<void>;
  /** Go on where `stopStateful` stopped. @throws {Fault} bad_request, with CRIU's reason */
  startStateful(instance: InstanceRecord, asked: Asked): Promise<void>;
  /** Stop it with its running state saved. @throws {Fault} bad_request, with CRIU's reason */
  stopStateful(instance: InstanceRecord, asked: Asked): Promise<void>;
  /** @param what "create a stateful snapshot". @throws {Fault} bad_request with the reason */
  assertDumpable(instance: InstanceRecord, what: string): Promise<void>;
  restart(instance: InstanceRecord, options: StopOptions): Promise<void>;
  freeze(instance: InstanceRecord, asked: Asked): Promise<void>;
  unfreeze(instance: InstanceRecord, asked: Asked): Promise<void>;
  change(instance: InstanceRecord, wish: InstanceWish, asked: Asked): Promise<void>;
  /** @throws {Fault} if `rename` would be refused. */
  assertRenamable(instance: InstanceRecord, name: string): Promise<void>;
  rename(instance: InstanceRecord, name: string, asked: Asked): Promise<void>;
  /** A copy that exists already. @throws {Fault} not_found, bad_request */
  planRefresh(project: string, name: string, body: InstancesPost): Promise<RefreshPlan>;
  refresh(plan: RefreshPlan, asked: Asked): Promise<void>;
  planMove(instance: InstanceRecord, wish: MoveWish): Promise<CreationPlan>;
  move(instance: InstanceRecord, plan: CreationPlan, asked: Asked): Promise<void>;
  /** @throws {Fault} if `rebuild` would be refused, not_found if there is no such image. */
  planRebuild(instance: InstanceRecord, source: InstanceSource): Promise<RebuildPlan>;
  rebuild(instance: InstanceRecord, plan: RebuildPlan, asked: Asked): Promise<void>;
  /** @throws {Fault} if `delete` would be refused. */
  assertDeletable(instance: InstanceRecord): void;
  delete(instance: InstanceRecord, asked: Asked): Promise<void>;
  getSnapshot(instance: InstanceRecord, name: string): Promise<SnapshotRecord>;
  planSnapshotName(instance: InstanceRecord, name: string): Promise<string>;
  takeSnapshot(instance: InstanceRecord, wish: SnapshotWish, asked: Asked): Promise<SnapshotTaken>;
  restore(
    instance: InstanceRecord,
    snapshot: string,
    asked: Asked & { readonly isStateful?: boolean },
  ): Promise<void>;
  renameSnapshot(
    instance: InstanceRecord,
    change: { readonly from: string; readonly to: string },
    asked: Asked,
  ): Promise<void>;
  deleteSnapshot(instance: InstanceRecord, name: string, asked: Asked): Promise<void>;
  changeSnapshotExpiry(
    instance: InstanceRecord,
    change: { readonly name: string; readonly expiresAt: string },
    asked: Asked,
  ): Promise<void>;
  /** The stop hook of a container: why it ends. */
  noteTarget(id: number, target: "reboot" | "stop"): void;
}
