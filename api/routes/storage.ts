/** Storage pools and volumes. */
import { route } from "#api/route.ts";
import { MigrationTarget } from "#api/routes/instances.ts";
import { boolean, configMap, type Infer, object, optional, string, unknown } from "#api/schema.ts";

const writable = { config: optional(configMap()), description: optional(string()) } as const;
const poolReadOnly = ["status", "locations", "used_by"];
export const PoolsPost = object({ ...writable, name: string(), driver: string() }, {
  ignored: poolReadOnly,
});
export const PoolPut = object(writable, { ignored: [...poolReadOnly, "name", "driver"] });
/** Where the content of a new volume comes from; without a type it is empty. */
export const VolumeSource = object({
  type: optional(string()),
  name: optional(string()),
  pool: optional(string()),
  project: optional(string()),
  location: optional(string()),
  volume_only: optional(boolean()),
  refresh: optional(boolean()),
  mode: optional(string()),
  operation: optional(string()),
  certificate: optional(string()),
  secrets: optional(configMap()),
});
export type VolumeSource = Infer<typeof VolumeSource>;

export const VolumesPost = object({
  ...writable,
  name: optional(string()),
  type: optional(string()),
  content_type: optional(string()),
  restore: optional(string()),
  source: optional(VolumeSource),
});
export type VolumesPost = Infer<typeof VolumesPost>;
export const VolumePut = object({ ...writable, restore: optional(string()) }, {
  ignored: ["name", "type", "content_type", "created_at", "location", "project", "used_by"],
});
/** POST on a volume: rename, move, or start of a migration source. */
export const VolumePost = object({
  name: optional(string()),
  pool: optional(string()),
  project: optional(string()),
  migration: optional(boolean()),
  target: optional(MigrationTarget),
  volume_only: optional(boolean()),
  source: optional(unknown()),
});
export const VolumeSnapshotsPost = object({
  name: optional(string()),
  description: optional(string()),
  expires_at: optional(string()),
});
export const VolumeSnapshotPut = object({
  description: optional(string()),
  expires_at: optional(string()),
}, { ignored: ["name", "config", "content_type", "created_at"] });
export const VolumeSnapshotPost = object({
  name: string(),
  migration: optional(boolean()),
  target: optional(MigrationTarget),
});

const pools = "/1.0/storage-pools";
const pool = `${pools}/{pool}` as const;
const volume = `${pool}/volumes/{type}/{volume}` as const;
export const getPools = route({
  method: "GET",
  path: pools,
  summary: "List storage pools",
  access: "trusted",
  reply: "sync",
  extension: "storage",
});
export const postPools = route({
  method: "POST",
  path: pools,
  summary: "Create a storage pool",
  access: "admin",
  reply: "sync",
  body: PoolsPost,
});
export const getPool = route({
  method: "GET",
  path: pool,
  summary: "Show a storage pool",
  access: "trusted",
  reply: "sync",
});
export const putPool = route({
  method: "PUT",
  path: pool,
  summary: "Replace the configuration of a storage pool",
  access: "admin",
  reply: "sync",
  body: PoolPut,
});
export const patchPool = route({
  method: "PATCH",
  path: pool,
  summary: "Change some of the configuration of a storage pool",
  access: "admin",
  reply: "sync",
  body: PoolPut,
  extension: "patch",
});
export const deletePool = route({
  method: "DELETE",
  path: pool,
  summary: "Delete an unused storage pool",
  access: "admin",
  reply: "sync",
});
export const getPoolResources = route({
  method: "GET",
  path: `${pool}/resources`,
  summary: "Show space and inodes of a storage pool",
  access: "trusted",
  reply: "sync",
  extension: "resources",
});
export const postPoolFlatten = route({
  method: "POST",
  path: "/internal/storage-pools/{pool}/flatten",
  summary: "Turn clones into trees of their own: one instance or all stopped ones",
  access: "local",
  reply: "operation",
  body: object({ instance: optional(string()), project: optional(string()) }),
});
export const getVolumes = route({
  method: "GET",
  path: `${pool}/volumes`,
  summary: "List the volumes of a pool",
  access: "trusted",
  reply: "sync",
});
export const postVolumes = route({
  method: "POST",
  path: `${pool}/volumes`,
  summary: "Create, copy or import a custom volume",
  access: "trusted",
  reply: "sync",
  body: VolumesPost,
  stream: true,
});
export const getVolumesOfType = route({
  method: "GET",
  path: `${pool}/volumes/{type}`,
  summary: "List the volumes of one type",
  access: "trusted",
  reply: "sync",
});
export const postVolumesOfType = route({
  method: "POST",
  path: `${pool}/volumes/{type}`,
  summary: "Create, copy or import a custom volume",
  access: "trusted",
  reply: "sync",
  body: VolumesPost,
  stream: true,
});
export const getVolume = route({
  method: "GET",
  path: volume,
  summary: "Show a volume",
  access: "trusted",
  reply: "sync",
});
export const putVolume = route({
  method: "PUT",
  path: volume,
  summary: "Replace the configuration of a volume",
  access: "trusted",
  reply: "sync",
  body: VolumePut,
});
export const patchVolume = route({
  method: "PATCH",
  path: volume,
  summary: "Change some of the configuration of a volume",
  access: "trusted",
  reply: "sync",
  body: VolumePut,
  extension: "patch",
});
export const postVolume = route({
  method: "POST",
  path: volume,
  summary: "Rename or move a custom volume, or start its migration",
  access: "trusted",
  reply: "sync",
  body: VolumePost,
});
export const deleteVolume = route({
  method: "DELETE",
  path: volume,
  summary: "Delete a custom volume, or the unpacked copy of an image from this pool",
  access: "trusted",
  reply: "sync",
});
export const getVolumeState = route({
  method: "GET",
  path: `${volume}/state`,
  summary: "Show what a volume uses",
  access: "trusted",
  reply: "sync",
});
export const getVolumeSnapshots = route({
  method: "GET",
  path: `${volume}/snapshots`,
  summary: "List the snapshots of a volume",
  access: "trusted",
  reply: "sync",
});
export const postVolumeSnapshots = route({
  method: "POST",
  path: `${volume}/snapshots`,
  summary: "Take a snapshot of a custom volume",
  access: "trusted",
  reply: "operation",
  body: VolumeSnapshotsPost,
  extension: "storage_api_volume_snapshots",
});
export const getVolumeSnapshot = route({
  method: "GET",
  path: `${volume}/snapshots/{snapshot}`,
  summary: "Show a snapshot of a volume",
  access: "trusted",
  reply: "sync",
  extension: "storage_api_volume_snapshots",
});
export const putVolumeSnapshot = route({
  method: "PUT",
  path: `${volume}/snapshots/{snapshot}`,
  summary: "Replace description and expiry of a snapshot of a volume",
  access: "trusted",
  reply: "sync",
  body: VolumeSnapshotPut,
  extension: "storage_api_volume_snapshots",
});
export const patchVolumeSnapshot = route({ ...putVolumeSnapshot, method: "PATCH" });
export const postVolumeSnapshot = route({
  method: "POST",
  path: `${volume}/snapshots/{snapshot}`,
  summary: "Rename a snapshot of a custom volume, or start its migration",
  access: "trusted",
  reply: "operation",
  body: VolumeSnapshotPost,
  extension: "storage_api_volume_snapshots",
});
export const deleteVolumeSnapshot = route({
  method: "DELETE",
  path: `${volume}/snapshots/{snapshot}`,
  summary: "Delete a snapshot of a custom volume",
  access: "trusted",
  reply: "operation",
  extension: "storage_api_volume_snapshots",
});
