/** An instance from the archive of a backup: its row, its tree and those of its snapshots. */
import type { HostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { listPools } from "#daemon/db/storage_pools.ts";
import { findInstance, profileLayers } from "#daemon/db/instances.ts";
import { type InstanceContext } from "#daemon/instances/context.ts";
import { expandConfig, expandDevices, findRootDisk, withRootOn } from "#daemon/instances/expand.ts";
import type { CreationPlan } from "#daemon/instances/plan_creation.ts";
import { ON_DISK } from "#daemon/instances/id_maps.ts";
import { checkInstanceName } from "#daemon/instances/name.ts";
import { findArchitecture, hostArchitecture } from "#daemon/instances/record.ts";
import type { InstanceVolume } from "#daemon/storage/service.ts";
import { fillTree } from "./fill.ts";
import type { BackupIndex, SavedInstance } from "./index.ts";
import { ROOT_PARTS } from "./instances.ts";
import { INSTANCE_STREAMS, openStreams, requireFormat } from "./optimized.ts";
import { extractMember, requireRoomFor } from "./tarball.ts";

export interface ImportWish {
  readonly project: string;
  /** "": as in the archive. */
  readonly name: string;
  /** "": as in the archive, or where new instances of the project go. */
  readonly pool: string;
}

/** Find out what the archive becomes. @throws {Fault} conflict, bad_request, not_found */
export async function planImport(
  ctx: InstanceContext,
  file: HostPath,
  index: BackupIndex,
  wish: ImportWish,
): Promise<CreationPlan> {
  const { instance: saved } = index.saved;
  if (index.type !== "container" || saved === undefined) {
    throw new Fault("bad_request", "invalid backup: it is not one of an instance", {
      hint: "A custom volume is imported by lxc storage volume import.",
    });
  }
  const name = wish.name || index.name;
  checkInstanceName(name);
  const { taken, profiles, pools } = await ctx.db.read(async (tx) => ({
    taken: await findInstance(tx, wish.project, name),
    profiles: await profileLayers(tx, wish.project, saved.profiles),
    pools: (await listPools(tx)).map((pool) => pool.name),
  }));
  if (taken !== undefined) throw new Fault("conflict", `Instance "${name}" already exists`);
  const profileRoot = findRootDisk(expandDevices(profiles, {}))?.config["pool"];
  const pool = choosePool(pools, { given: wish.pool, saved: index.pool, profileRoot });
  const place = await ctx.storage.instances.locate({ pool, project: wish.project, name });
  if (index.optimizedFor !== undefined) requireFormat(place, index.optimizedFor);
  await requireRoomFor(place.driver, file, index);
  const devices = withRootOn(saved.devices, expandDevices(profiles, saved.devices), pool);
  // Streams have the ids that were on the disk, files plain ones.
  const isStream = index.optimizedFor !== undefined;
  const config = {
    ...name === index.name ? saved.config : withoutIdentity(saved.config),
    ...!isStream && { [ON_DISK]: "[]" },
  };
  return {
    project: wish.project,
    name,
    description: saved.description,
    architecture: architectureOf(saved),
    isEphemeral: saved.isEphemeral,
    config,
    devices,
    profiles,
    expandedConfig: expandConfig(profiles, config),
    expandedDevices: expandDevices(profiles, devices),
    source: {
      kind: "filled",
      saved: index.saved,
      fill: (volume, signal) => unpackAll(ctx, file, index, volume, signal),
    },
    start: false,
  };
}

/** @throws {Fault} not_found */
function choosePool(
  pools: readonly string[],
  wish: { given: string; saved: string; profileRoot: string | undefined },
): string {
  if (wish.given !== "") {
    if (pools.includes(wish.given)) return wish.given;
    throw new Fault("not_found", `Storage pool not found: "${wish.given}"`);
  }
  if (pools.includes(wish.saved)) return wish.saved;
  if (wish.profileRoot !== undefined && pools.includes(wish.profileRoot)) return wish.profileRoot;
  throw new Fault(
    "bad_request",
    `The backup is of the storage pool "${wish.saved}", which doesn't exist, and the default ` +
      "profile of the project names no other",
    { hint: `Give a pool with --storage: ${pools.join(", ") || "there is none yet"}.` },
  );
}

/** What must not be twice on one network or host. */
function withoutIdentity(config: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).filter(([key]) =>
      !/^volatile\.(.+\.(hwaddr|name|host_name)|uuid)$/.test(key)
    ),
  );
}

/** @throws {Fault} bad_request if this host can't run it. */
function architectureOf(saved: SavedInstance): number {
  const found = findArchitecture(saved.architecture);
  if (found === undefined) {
    throw new Fault("bad_request", `Architecture isn't supported: ${saved.architecture}`);
  }
  return found ?? hostArchitecture();
}

async function unpackAll(
  ctx: InstanceContext,
  file: HostPath,
  index: BackupIndex,
  volume: InstanceVolume,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (index.optimizedFor !== undefined) {
    const open = { file, helper: ctx.helper, paths: ctx.paths, names: INSTANCE_STREAMS };
    const streams = { ...open, signal: signal ?? new AbortController().signal };
    return await ctx.storage.instances.receive(volume, {
      snapshots: index.snapshots,
      parts: await openStreams(streams, index.snapshots),
      ...signal && { signal },
    });
  }
  const from = (member: string) => (target: HostPath) =>
    extractMember(file, target, {
      helper: ctx.helper,
      member,
      only: ROOT_PARTS,
      ...signal && { signal },
    });
  await fillTree(ctx, volume, {
    snapshots: index.snapshots.map((name) => ({ name, unpack: from(`backup/snapshots/${name}`) })),
    unpack: from("backup/container"),
    ...signal && { signal },
  });
}
