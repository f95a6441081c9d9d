/** Storage pools and volumes. */
import { route } from "#api/route.ts";
import { configMap, object, optional, string, unknown } from "#api/schema.ts";

const writable = { config: optional(configMap()), description: optional(string()) } as const;
const poolReadOnly = ["status", "locations", "used_by"];
export const PoolsPost = object({ ...writable, name: string(), driver: string() }, {
  ignored: poolReadOnly,
});
export const PoolPut = object(writable, { ignored: [...poolReadOnly, "name", "driver"] });
export const VolumesPost = object({
  ...writable,
  name: string(),
  type: optional(string()),
  content_type: optional(string()),
  source: optional(unknown()),
});
export const VolumePut = object({ ...writable, restore: optional(string()) }, {
  ignored: ["name", "type", "content_type", "created_at", "location", "project", "used_by"],
});
export const VolumePost = object({
  name: string(),
  pool: optional(string()),
  project: optional(string()),
  migration: optional(unknown()),
  target: optional(unknown()),
  volume_only: optional(unknown()),
  source: optional(unknown()),
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
  summary: "Create a custom volume",
  access: "trusted",
  reply: "sync",
  body: VolumesPost,
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
  summary: "Create a custom volume",
  access: "trusted",
  reply: "sync",
  body: VolumesPost,
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
  summary: "Rename a custom volume",
  access: "trusted",
  reply: "sync",
  body: VolumePost,
});
export const deleteVolume = route({
  method: "DELETE",
  path: volume,
  summary: "Delete a custom volume",
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
