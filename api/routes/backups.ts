/** Backups of instances and custom volumes: archives that are made, fetched and forgotten. */
import { route } from "#api/route.ts";
import { boolean, object, optional, string } from "#api/schema.ts";

export const BackupsPost = object({
  /** "": backup0, backup1 ... */
  name: optional(string()),
  expires_at: optional(string()),
  instance_only: optional(boolean()),
  container_only: optional(boolean()),
  volume_only: optional(boolean()),
  optimized_storage: optional(boolean()),
  compression_algorithm: optional(string()),
});
export const BackupPost = object({ name: string() });

export const InstanceBackup = object({
  name: string(),
  created_at: string(),
  expires_at: string(),
  instance_only: boolean(),
  container_only: boolean(),
  optimized_storage: boolean(),
});

export const VolumeBackup = object({
  name: string(),
  created_at: string(),
  expires_at: string(),
  volume_only: boolean(),
  optimized_storage: boolean(),
});

const instance = "/1.0/instances/{name}/backups";
const volume = "/1.0/storage-pools/{pool}/volumes/{type}/{volume}/backups";

export const getInstanceBackups = route({
  method: "GET",
  path: instance,
  summary: "List the backups of an instance",
  access: "trusted",
  reply: "sync",
  extension: "container_backup",
});
export const postInstanceBackups = route({
  method: "POST",
  path: instance,
  summary: "Make a backup of an instance",
  access: "trusted",
  reply: "operation",
  body: BackupsPost,
  extension: "container_backup",
});
export const getInstanceBackup = route({
  method: "GET",
  path: `${instance}/{backup}`,
  summary: "Show a backup of an instance",
  access: "trusted",
  reply: "sync",
  metadata: InstanceBackup,
  extension: "container_backup",
});
export const postInstanceBackup = route({
  method: "POST",
  path: `${instance}/{backup}`,
  summary: "Rename a backup of an instance",
  access: "trusted",
  reply: "operation",
  body: BackupPost,
  extension: "container_backup",
});
export const deleteInstanceBackup = route({
  method: "DELETE",
  path: `${instance}/{backup}`,
  summary: "Delete a backup of an instance",
  access: "trusted",
  reply: "operation",
  extension: "container_backup",
});
export const exportInstanceBackup = route({
  method: "GET",
  path: `${instance}/{backup}/export`,
  summary: "Fetch the archive of a backup of an instance",
  access: "trusted",
  reply: "raw",
  extension: "container_backup",
});
export const getVolumeBackups = route({
  method: "GET",
  path: volume,
  summary: "List the backups of a custom volume",
  access: "trusted",
  reply: "sync",
  extension: "custom_volume_backup",
});
export const postVolumeBackups = route({
  method: "POST",
  path: volume,
  summary: "Make a backup of a custom volume",
  access: "trusted",
  reply: "operation",
  body: BackupsPost,
  extension: "custom_volume_backup",
});
export const getVolumeBackup = route({
  method: "GET",
  path: `${volume}/{backup}`,
  summary: "Show a backup of a custom volume",
  access: "trusted",
  reply: "sync",
  metadata: VolumeBackup,
  extension: "custom_volume_backup",
});
export const postVolumeBackup = route({
  method: "POST",
  path: `${volume}/{backup}`,
  summary: "Rename a backup of a custom volume",
  access: "trusted",
  reply: "operation",
  body: BackupPost,
  extension: "custom_volume_backup",
});
export const deleteVolumeBackup = route({
  method: "DELETE",
  path: `${volume}/{backup}`,
  summary: "Delete a backup of a custom volume",
  access: "trusted",
  reply: "operation",
  extension: "custom_volume_backup",
});
export const exportVolumeBackup = route({
  method: "GET",
  path: `${volume}/{backup}/export`,
  summary: "Fetch the archive of a backup of a custom volume",
  access: "trusted",
  reply: "raw",
  extension: "custom_volume_backup",
});
