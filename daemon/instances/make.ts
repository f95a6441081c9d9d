/** Create instances: empty, from an image, as a copy. Checked first, then done with undo. */
import { checkInstanceAllowed } from "#daemon/projects/check.ts";
import { checkInstanceConfig } from "#api/config/instance_config.ts";
import type { InstanceSource, InstancesPost } from "#api/routes/instances.ts";
import { Fault } from "#base/errors.ts";
import { splitSnapshot } from "#base/snapshot_name.ts";
import { Undo } from "#base/undo.ts";
import { parseBytes } from "#base/units.ts";
import { getSnapshot, type NewSnapshot } from "#daemon/db/instances_snapshots.ts";
import {
  deleteInstanceRow,
  findInstance,
  getInstance,
  getInstanceById,
  insertInstance,
  markMade,
  patchInstanceConfig,
  profileLayers,
} from "#daemon/db/instances.ts";
import type { Tx } from "#daemon/db/db.ts";
import type { NewVolumeSnapshot } from "#daemon/db/volume_snapshots.ts";
import { requireType, validateDevices } from "#daemon/devices/registry.ts";
import type { Caller } from "#daemon/http/caller.ts";
import type { InstanceVolume, VolumeSource } from "#daemon/storage/service.ts";
import { saveBackupYaml } from "./backup_yaml.ts";
import { type InstanceContext, lockInstance, volumeOf } from "./context.ts";
import { deviceHost, deviceOf, VolatileChanges } from "./device_host.ts";
import { expandConfig, expandDevices, findRootDisk } from "./expand.ts";
import { requireOneRootDisk } from "./root_disk.ts";
import { whileFrozen } from "./freeze.ts";
import { ON_DISK } from "./id_maps.ts";
import { isRunning } from "./machine.ts";
import { checkInstanceName, randomName } from "./name.ts";
import {
  type Config,
  type Devices,
  findArchitecture,
  hostArchitecture,
  type InstanceRecord,
  type ProfileLayer,
  type SnapshotRecord,
} from "./record.ts";
import { checkNewOnHost } from "./host_checks.ts";
import { instanceTypeLimits } from "./instance_type.ts";
import { createdAtOf, firstVolatile, NO_MAP } from "./first_volatile.ts";
import { announceCreated } from "./snapshot_event.ts";
import { copySnapshotRows } from "./snapshot_rows.ts";
import { startLocked } from "./start.ts";

/** A request that was found to be possible. */
export interface CreationPlan {
  readonly project: string;
  readonly name: string;
  readonly description: string;
  readonly architecture: number;
  readonly isEphemeral: boolean;
  readonly config: Config;
  readonly devices: Devices;
  readonly profiles: readonly ProfileLayer[];
  readonly expandedConfig: Config;
  readonly expandedDevices: Devices;
  readonly source: PlannedSource;
  readonly start: boolean;
}

type PlannedSource =
  | { readonly kind: "empty" }
  | { readonly kind: "image"; readonly fingerprint: string }
  | {
    readonly kind: "copy";
    readonly instance: InstanceRecord;
    readonly snapshot: SnapshotRecord | undefined;
    readonly withSnapshots: boolean;
    /** It replaces its source: identity, addresses and times stay. */
    readonly isMove?: true;
  }
  | FilledSource;

/** Files and description come from elsewhere: a backup, another server. */
export interface FilledSource {
  readonly kind: "filled";
  readonly saved: {
    readonly instance: { readonly createdAt: string } | undefined;
    readonly snapshots: readonly NewSnapshot[];
    readonly volume: { readonly description: string; readonly config: Config } | undefined;
    readonly volumeSnapshots: readonly NewVolumeSnapshot[];
  };
  /** Put tree and snapshots into the volume, which exists and is empty. */
  readonly fill: (volume: InstanceVolume, signal: AbortSignal | undefined) => Promise<void>;
}

/**
 * Find out whether the request can be done, before any operation starts.
 *
 * @throws {Fault} conflict (name taken), not_found (image, source), bad_request (all else).
 */
export async function planCreation(
  ctx: InstanceContext,
  project: string,
  body: InstancesPost,
  filled?: FilledSource,
): Promise<CreationPlan> {
  if (body.type !== undefined && body.type !== "" && body.type !== "container") {
    throw new Fault("bad_request", `instances of type "${body.type}" are not supported`, {
      hint: 'This server runs containers: use the type "container".',
    });
  }
  const name = await chooseName(ctx, project, body.name ?? "");
  const base = filled === undefined
    ? await resolveSource(ctx, project, body.source ?? {})
    : receivedBase(filled, body.source ?? {});
  const config = {
    ...base.config,
    ...instanceTypeLimits(body.instance_type ?? ""),
    ...body.config,
  };
  const devices = { ...base.devices, ...body.devices };
  const names = body.profiles ?? base.profiles ?? ["default"];
  const profiles = await ctx.db.read((tx) => profileLayers(tx, project, names));
  const expandedConfig = expandConfig(profiles, config);
  const expandedDevices = expandDevices(profiles, devices);
  const architecture = chooseArchitecture(body.architecture ?? base.architecture ?? "");
  checkInstanceConfig(config, "container");
  checkInstanceConfig(expandedConfig, "expanded");
  await checkNewOnHost(ctx, expandedConfig);
  await validateDevices(ctx.types, expandedDevices, {
    project,
    instance: name,
    services: ctx.devices,
    expanded: expandedDevices,
    ...(isNew(body) ? { mustBeUnique: new Set(Object.keys(expandedDevices)) } : {}),
  });
  requireOneRootDisk(expandedDevices);
  const given = Object.keys(body.config ?? {});
  await ctx.db.read((tx) =>
    checkInstanceAllowed(tx, project, {
      name,
      config: expandedConfig,
      devices: expandedDevices,
      given: isNew(body) ? given : [],
    })
  );
  return {
    project,
    name,
    description: body.description ?? "",
    architecture,
    isEphemeral: body.ephemeral ?? false,
    config,
    devices,
    profiles,
    expandedConfig,
    expandedDevices,
    source: base.source,
    start: body.start ?? false,
  };
}

async function chooseName(ctx: InstanceContext, project: string, name: string): Promise<string> {
  if (name !== "") {
    checkInstanceName(name);
    const taken = await ctx.db.read((tx) => findInstance(tx, project, name));
    if (taken !== undefined) throw new Fault("conflict", `Instance "${name}" already exists`);
    return name;
  }
  const rows = await ctx.db.read((tx) => tx.all("SELECT name FROM instances"));
  const names = new Set(rows.map((row) => row["name"]));
  return randomName((one) => names.has(one));
}

function chooseArchitecture(name: string): number {
  if (name === "") return hostArchitecture();
  const found = findArchitecture(name);
  const host = hostArchitecture();
  const runs32 = (host === 2 && found === 1) || (host === 4 && found === 3);
  if (found === undefined || (found !== host && !runs32)) {
    throw new Fault("bad_request", `Architecture isn't supported: ${name}`);
  }
  return found;
}

interface Base {
  readonly source: PlannedSource;
  readonly config: Config;
  readonly devices: Devices;
  readonly profiles?: readonly string[];
  readonly architecture?: string;
}

/** What comes from another server; the request carries its configuration. */
function receivedBase(source: FilledSource, { "base-image": image = "" }: InstanceSource): Base {
  return {
    source,
    config: {
      ...(image !== "" && { "volatile.base_image": image }),
      "volatile.apply_template": "copy",
    },
    devices: {},
  };
}

/** What a request names as a source. @throws {Fault} bad_request, not_found */
export async function resolveSource(
  ctx: InstanceContext,
  project: string,
  source: InstanceSource,
): Promise<Base> {
  switch (source.type ?? "") {
    case "":
    case "none":
      return { source: { kind: "empty" }, config: {}, devices: {} };
    case "image":
      return await resolveImage(ctx, project, source);
    case "copy":
      return await resolveCopy(ctx, project, source);
    default:
      throw new Fault("bad_request", `Unknown source type ${source.type}`, {
        hint: "There are image, copy, migration and none.",
      });
  }
}

async function resolveImage(
  ctx: InstanceContext,
  project: string,
  source: InstanceSource,
): Promise<Base> {
  if ((source.server ?? "") !== "") {
    throw new Fault("not_implemented", "cannot fetch an image from a server: not supported yet", {
      hint:
        "Import the image first (lxc image import, lxd image build) and launch it by its alias.",
    });
  }
  const wanted = source.alias || source.fingerprint || "";
  const { properties } = source;
  if (wanted === "" && properties === undefined) {
    throw new Fault("bad_request", "Must specify one of alias, fingerprint or properties");
  }
  const image = wanted !== ""
    ? await ctx.images.resolve(project, wanted)
    : await ctx.images.findByProperties(project, properties ?? {});
  if (image.type !== "container") {
    throw new Fault("bad_request", `Image type "${image.type}" is not supported: want a container`);
  }
  const config: Record<string, string> = { "volatile.base_image": image.fingerprint };
  for (const [key, value] of Object.entries(image.properties)) config[`image.${key}`] = value;
  return {
    source: { kind: "image", fingerprint: image.fingerprint },
    config,
    devices: {},
    profiles: image.profiles,
    architecture: image.architecture,
  };
}

/** Volatile keys that a copy keeps. */
const COPIED_VOLATILE = ["volatile.base_image", ON_DISK];

async function resolveCopy(
  ctx: InstanceContext,
  project: string,
  source: InstanceSource,
): Promise<Base> {
  const { name, snapshot: snapshotName } = splitSnapshot(source.source ?? "");
  if (name === "") throw new Fault("bad_request", "Must specify a source instance");
  const from = source.project || project;
  const { instance, snapshot } = await ctx.db.read(async (tx) => {
    const found = await getInstance(tx, from, name);
    return {
      instance: found,
      snapshot: snapshotName === undefined ? undefined : await getSnapshot(tx, found, snapshotName),
    };
  });
  const origin = snapshot ?? instance;
  const config = Object.fromEntries(
    Object.entries(origin.config).filter(([key]) =>
      !key.startsWith("volatile.") || COPIED_VOLATILE.includes(key)
    ),
  );
  const profiles = snapshot?.profiles ?? instance.profiles.map((layer) => layer.name);
  const instanceOnly = source.instance_only ?? source.container_only ?? false;
  return {
    source: {
      kind: "copy",
      instance,
      snapshot,
      withSnapshots: snapshot === undefined && !instanceOnly,
    },
    config,
    devices: origin.devices,
    profiles,
  };
}

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

/** Copies may have the addresses of what they were copied from: they can't start beside it. */
function isNew(body: InstancesPost): boolean {
  return ["image", "none", ""].includes(body.source?.type ?? "");
}
