/** Snapshots of instances: rows and bodies of /1.0/instances/{name}/snapshots. */
import { route } from "#api/route.ts";
import {
  array,
  boolean,
  configMap,
  devicesMap,
  type Infer,
  integer,
  object,
  optional,
  string,
} from "#api/schema.ts";
import { MigrationTarget, readOnlyFields } from "./instances.ts";

export const InstanceSnapshotObject = object({
  architecture: string(),
  config: configMap(),
  created_at: string(),
  devices: devicesMap(),
  ephemeral: boolean(),
  expanded_config: configMap(),
  expanded_devices: devicesMap(),
  last_used_at: string(),
  name: string(),
  profiles: array(string()),
  stateful: boolean(),
  expires_at: string(),
  size: integer(),
});
export type InstanceSnapshotObject = Infer<typeof InstanceSnapshotObject>;

export const SnapshotsPost = object({
  name: optional(string()),
  stateful: optional(boolean()),
  expires_at: optional(string()),
});
export const SnapshotPut = object({ expires_at: optional(string()) }, {
  ignored: [
    ...readOnlyFields,
    "architecture",
    "config",
    "devices",
    "ephemeral",
    "profiles",
    "stateful",
    "size",
  ],
});
export const SnapshotPost = object({
  name: optional(string()),
  migration: optional(boolean()),
  live: optional(boolean()),
  target: optional(MigrationTarget),
});

const all = "/1.0/instances/{name}/snapshots";
const one = "/1.0/instances/{name}/snapshots/{snapshot}";

export const getSnapshots = route({
  method: "GET",
  path: all,
  summary: "List the snapshots of an instance",
  access: "trusted",
  reply: "sync",
});
export const postSnapshots = route({
  method: "POST",
  path: all,
  summary: "Take a snapshot",
  access: "trusted",
  reply: "operation",
  body: SnapshotsPost,
});
export const getSnapshot = route({
  method: "GET",
  path: one,
  summary: "Show a snapshot",
  access: "trusted",
  reply: "sync",
  metadata: InstanceSnapshotObject,
});
export const putSnapshot = route({
  method: "PUT",
  path: one,
  summary: "Change the expiry of a snapshot",
  access: "trusted",
  reply: "operation",
  body: SnapshotPut,
});
export const patchSnapshot = route({ ...putSnapshot, method: "PATCH" });
export const postSnapshot = route({
  method: "POST",
  path: one,
  summary: "Rename a snapshot",
  access: "trusted",
  reply: "operation",
  body: SnapshotPost,
});
export const deleteSnapshot = route({
  method: "DELETE",
  path: one,
  summary: "Delete a snapshot",
  access: "trusted",
  reply: "operation",
});
