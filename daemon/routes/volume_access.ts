/** What the routes of volumes share: which volume a request means, and how volumes are shown. */
import type { VolumesPost } from "#api/routes/storage.ts";
import { Fault } from "#base/errors.ts";
import { effectiveProject } from "#daemon/db/projects.ts";
import {
  getPool,
  listVolumes,
  VOLUME_TYPES,
  volumeMissing,
  type VolumeRow,
  type VolumeType,
} from "#daemon/db/storage_pools.ts";
import { holdersOf } from "#daemon/db/volume_uses.ts";
import { listVolumeSnapshots, type VolumeSnapshotRow } from "#daemon/db/volume_snapshots.ts";
import { listProfiles } from "#daemon/db/profiles.ts";
import { projectSuffix } from "#daemon/http/list.ts";
import type { Services } from "#daemon/services.ts";

const NEVER = "0001-01-01T00:00:00Z";

export interface VolumeParams {
  readonly params: { readonly pool: string; readonly type: string; readonly volume: string };
  readonly query: { readonly project: string };
}

/** "custom" or "containers", as paths and bodies write it. @throws {Fault} bad_request */
export function typeOf(text: string): VolumeType {
  const type = text.replace(/s$/, "") as VolumeType;
  if (Object.hasOwn(VOLUME_TYPES, type)) return type;
  throw new Fault("bad_request", `Invalid storage volume type "${text}"`, {
    hint: `Types: ${Object.keys(VOLUME_TYPES).join(", ")}.`,
  });
}

/** "filesystem" if it does not say. @throws {Fault} bad_request */
export function contentTypeOf(body: Pick<VolumesPost, "content_type">): "filesystem" | "block" {
  const text = body.content_type || "filesystem";
  if (text === "filesystem" || text === "block") return text;
  throw new Fault("bad_request", `Invalid content type "${text}"`, {
    hint: "Content types are filesystem and block.",
  });
}

/** The project that holds volumes of a type for `project`. */
export async function volumeProject(
  { db }: Services,
  project: string,
  type: VolumeType,
): Promise<string> {
  // Unpacked images are of all projects; like LXD's they are recorded in the default one.
  if (type === "image") return "default";
  if (type !== "custom") return project;
  return await db.read(async (tx) => (await effectiveProject(tx, project, "storage.volumes")).name);
}

/** @throws {Fault} not_found */
export async function findVolume(
  services: Services,
  { params, query }: VolumeParams,
): Promise<VolumeRow> {
  const type = typeOf(params.type);
  const project = await volumeProject(services, query.project, type);
  const [volume] = await services.db.read(async (tx) => {
    await getPool(tx, params.pool);
    return await listVolumes(tx, { pool: params.pool, project, name: params.volume, type });
  });
  if (volume === undefined) throw volumeMissing({ pool: params.pool, name: params.volume, type });
  return volume;
}

/** @throws {Fault} bad_request for volumes that belong to instances and images. */
export async function findCustom(services: Services, call: VolumeParams): Promise<VolumeRow> {
  const volume = await findVolume(services, call);
  requireCustom(volume.type);
  return volume;
}

/** @throws {Fault} bad_request */
export function requireCustom(type: VolumeType): void {
  if (type === "custom") return;
  throw new Fault("bad_request", `Volumes of type "${type}" cannot be changed here`, {
    hint: "They belong to an instance or image: use its own commands.",
  });
}

/** @param volume Of a snapshot: its name has "volume/snapshot". */
export function volumeUrl(
  volume: { pool: string; type: string; name: string; project: string },
): string {
  const { pool, type, name, project } = volume;
  const [own = "", snapshot] = name.split("/");
  const tail = snapshot === undefined ? own : `${own}/snapshots/${snapshot}`;
  return `/1.0/storage-pools/${pool}/volumes/${type}/${tail}${projectSuffix(project)}`;
}

/** URLs of the instances and profiles that have a custom volume, or of the owner of another. */
export async function volumeUsers(services: Services, volume: VolumeRow): Promise<string[]> {
  const suffix = projectSuffix(volume.project);
  if (volume.type === "container") return [`/1.0/instances/${volume.name}${suffix}`];
  if (volume.type === "image") return [`/1.0/images/${volume.name}`];
  if (volume.type !== "custom") return [];
  const { holders, profiles } = await services.db.read(async (tx) => ({
    holders: await holdersOf(tx, volume.project),
    profiles: await listProfiles(tx),
  }));
  const has = (devices: Readonly<Record<string, Readonly<Record<string, string>>>>) =>
    Object.values(devices).some((one) =>
      one["type"] === "disk" && one["pool"] === volume.pool && one["source"] === volume.name
    );
  const uses = await services.instances.listUses();
  return [
    ...uses.filter((use) => holders.has(use.project) && has(use.expandedDevices))
      .map((use) => `/1.0/instances/${use.name}${projectSuffix(use.project)}`),
    ...profiles.filter((one) => holders.has(one.project) && has(one.devices))
      .map((one) => `/1.0/profiles/${one.name}${projectSuffix(one.project)}`),
  ];
}

/** Cost: looks through instances and profiles for who uses it. */
export async function renderVolume(services: Services, volume: VolumeRow) {
  return {
    config: volume.config,
    description: volume.description,
    name: volume.name,
    type: volume.type,
    used_by: await volumeUsers(services, volume),
    location: "none",
    content_type: volume.contentType,
    project: volume.project,
    created_at: NEVER,
  };
}

/** Volumes as lists show them, each followed by its snapshots ("data/snap0"). */
export async function renderWithSnapshots(services: Services, volumes: readonly VolumeRow[]) {
  const snapshots = await services.db.read((tx) => listVolumeSnapshots(tx));
  const byVolume = Map.groupBy(snapshots, (one) => one.volumeId);
  const groups = await Promise.all(volumes.map(async (volume) => {
    const own = await renderVolume(services, volume);
    const users = volume.type === "container"
      ? (name: string) => [
        `/1.0/instances/${volume.name}/snapshots/${name}${projectSuffix(volume.project)}`,
      ]
      : () => [];
    const theirs = (byVolume.get(volume.id) ?? []).map((one) => ({
      ...own,
      name: `${volume.name}/${one.name}`,
      description: one.description,
      config: one.config,
      used_by: users(one.name),
    }));
    return [own, ...theirs];
  }));
  return groups.flat();
}

/** Without times of creation: LXD 5.0 keeps none of volumes. */
export function renderVolumeSnapshot(volume: VolumeRow, snapshot: VolumeSnapshotRow) {
  return {
    description: snapshot.description,
    expires_at: snapshot.expiresAt === "" ? NEVER : snapshot.expiresAt,
    name: snapshot.name,
    config: snapshot.config,
    content_type: volume.contentType,
    created_at: NEVER,
  };
}
