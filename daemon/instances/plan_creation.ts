/** What a request for an instance asks for: empty, from an image, as a copy; and whether it can be. */
import { checkInstanceAllowed } from "#daemon/projects/check.ts";
import { checkInstanceConfig } from "#api/config/instance_config.ts";
import type { InstanceSource, InstancesPost } from "#api/routes/instances.ts";
import { Fault } from "#base/errors.ts";
import { splitSnapshot } from "#base/snapshot_name.ts";
import { getSnapshot, type NewSnapshot } from "#daemon/db/instances_snapshots.ts";
import { findInstance, getInstance, profileLayers } from "#daemon/db/instances.ts";
import type { NewVolumeSnapshot } from "#daemon/db/volume_snapshots.ts";
import { validateDevices } from "#daemon/devices/registry.ts";
import type { InstanceVolume } from "#daemon/storage/service.ts";
import type { InstanceContext } from "./context.ts";
import { expandConfig, expandDevices } from "./expand.ts";
import { requireOneRootDisk } from "./root_disk.ts";
import { ON_DISK } from "./id_maps.ts";
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
  const { type = "" } = source;
  switch (type) {
    case "none":
      return { source: { kind: "empty" }, config: {}, devices: {} };
    case "image":
      return await resolveImage(ctx, project, source);
    case "copy":
      return await resolveCopy(ctx, project, source);
    default:
      throw new Fault("bad_request", `Unknown source type "${type}"`, {
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

/** Copies may have the addresses of what they were copied from: they can't start beside it. */
function isNew(body: InstancesPost): boolean {
  return ["image", "none", ""].includes(body.source?.type ?? "");
}
