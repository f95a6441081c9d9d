/** What the files of this folder work with; built once by create.ts. */
import type { HostPath } from "#base/brand.ts";
import type { LockTable } from "#base/lock.ts";
import type { Database } from "#daemon/db/db.ts";
import type { DeviceServices } from "#daemon/devices/device.ts";
import type { DeviceTypes } from "#daemon/devices/registry.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { projectSuffix } from "#daemon/http/list.ts";
import type { Images } from "#daemon/images/service.ts";
import type { Events } from "#daemon/operations/events.ts";
import { inProject, type Paths } from "#daemon/paths.ts";
import type { InstanceVolume, Storage } from "#daemon/storage/service.ts";
import type { Interception } from "#daemon/security/interception.ts";
import { findRootDisk } from "./expand.ts";
import type { HostFacts } from "./facts.ts";
import type { InstanceRecord } from "./record.ts";
import type { Runtime } from "./runtime.ts";
import type { NetworkStates } from "./network_states.ts";

export interface InstanceContext {
  readonly paths: Paths;
  readonly db: Database;
  readonly events: Events;
  readonly images: Images;
  readonly storage: Storage;
  readonly devices: DeviceServices;
  readonly types: DeviceTypes;
  /** Unix socket of the daemon, for hooks. */
  readonly socket: HostPath;
  readonly helper: HostPath;
  readonly facts: HostFacts;
  readonly interception: Interception;
  /** One change of an instance at a time: `instance <id>`. */
  readonly locks: LockTable;
  readonly runtime: Runtime;
  /** Writes of backup.yaml that wait for their turn. */
  readonly pendingBackups: Set<string>;
  readonly networkStates: NetworkStates;
  /** The configuration or devices of one that runs were changed. */
  readonly onChanged?: (before: InstanceRecord, after: InstanceRecord) => void;
  /** Something that nobody waits for failed. */
  readonly onError: (what: string, error: unknown) => void;
}

type Named = Pick<InstanceRecord, "project" | "name">;

/** liblxc's name of a container. */
export function lxcName(instance: Named): string {
  return inProject(instance.project, instance.name);
}

/** liblxc's lxcpath: below it each container has a folder, or a link to one on its pool. */
export function lxcPath(ctx: InstanceContext): HostPath {
  return ctx.paths.at("containers");
}

/** The root volume. @throws a bug if there is no root disk (creation refuses that). */
export function volumeOf(
  instance: Named & Pick<InstanceRecord, "expandedDevices">,
): InstanceVolume {
  const pool = findRootDisk(instance.expandedDevices)?.config["pool"] ?? "";
  return { pool, project: instance.project, name: instance.name };
}

function instanceUrl(instance: Named): string {
  return `/1.0/instances/${instance.name}${projectSuffix(instance.project)}`;
}

/** As events and lists have it, with ?project= unless it is the default. */
export function snapshotUrl(instance: Named, snapshot: string): string {
  return `/1.0/instances/${instance.name}/snapshots/${snapshot}${projectSuffix(instance.project)}`;
}

/** As snapshotUrl, of a backup. */
export function backupUrl(instance: Named, backup: string): string {
  return `/1.0/instances/${instance.name}/backups/${backup}${projectSuffix(instance.project)}`;
}

/** Send a lifecycle event of an instance. */
export function announce(
  ctx: InstanceContext,
  action: string,
  instance: Named,
  options: { caller?: Caller; context?: Readonly<Record<string, unknown>> } = {},
): void {
  ctx.events.lifecycle({
    action: `instance-${action}`,
    source: instanceUrl(instance),
    project: instance.project,
    ...(options.caller !== undefined && { caller: options.caller }),
    ...(options.context !== undefined && { context: options.context }),
  });
}

/** Changes of one instance come one after the other. @throws the signal's reason if it aborts first. */
export async function lockInstance(
  ctx: InstanceContext,
  instance: { readonly id: number },
  signal?: AbortSignal,
): Promise<Disposable> {
  return await lockInstances(ctx, [instance], signal);
}

/** Several, in an order in which nobody waits for ever. */
export async function lockInstances(
  ctx: InstanceContext,
  instances: readonly { readonly id: number }[],
  signal?: AbortSignal,
): Promise<Disposable> {
  return await ctx.locks.acquireAll(instances.map(({ id }) => `instance ${id}`), signal);
}
