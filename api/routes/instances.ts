/** Instances: rows and bodies of /1.0/instances (also served as /1.0/containers). */
import { route } from "#api/route.ts";
import {
  array,
  boolean,
  configMap,
  devicesMap,
  type Infer,
  integer,
  map,
  object,
  oneOf,
  optional,
  string,
} from "#api/schema.ts";
import type { InstanceSnapshotObject } from "./instance_snapshots.ts";

const Address = object({
  family: string(),
  address: string(),
  netmask: string(),
  scope: string(),
});

/** Reply of GET .../state. Bytes, nanoseconds of CPU time. */
export const InstanceState = object({
  status: string(),
  status_code: integer(),
  disk: map(object({ usage: integer(), total: integer() })),
  memory: object({
    usage: integer(),
    usage_peak: integer(),
    total: integer(),
    swap_usage: integer(),
    swap_usage_peak: integer(),
  }),
  network: map(object({
    addresses: array(Address),
    counters: map(integer()),
    hwaddr: string(),
    host_name: string(),
    mtu: integer(),
    state: string(),
    type: string(),
  })),
  pid: integer(),
  processes: integer(),
  cpu: object({ usage: integer() }),
});
export type InstanceState = Infer<typeof InstanceState>;

/** What a user may write of an instance. */
const writable = {
  architecture: optional(string()),
  config: optional(configMap()),
  devices: optional(devicesMap()),
  ephemeral: optional(boolean()),
  profiles: optional(array(string())),
  restore: optional(string()),
  stateful: optional(boolean()),
  description: optional(string()),
} as const;
/** What clients send back as they got it: it is ignored. */
export const readOnlyFields = [
  "name",
  "created_at",
  "last_used_at",
  "expanded_config",
  "expanded_devices",
  "status",
  "status_code",
  "location",
  "type",
  "project",
  "backups",
  "snapshots",
  "state",
] as const;

export const InstancePut = object(writable, { ignored: readOnlyFields });
export type InstancePut = Infer<typeof InstancePut>;

/** Where a migration pushes to. */
export const MigrationTarget = object({
  operation: optional(string()),
  certificate: optional(string()),
  secrets: optional(configMap()),
});
export type MigrationTarget = Infer<typeof MigrationTarget>;

export const InstanceSource = object({
  type: optional(string()),
  certificate: optional(string()),
  alias: optional(string()),
  fingerprint: optional(string()),
  properties: optional(configMap()),
  server: optional(string()),
  secret: optional(string()),
  protocol: optional(string()),
  "base-image": optional(string()),
  mode: optional(string()),
  operation: optional(string()),
  secrets: optional(configMap()),
  source: optional(string()),
  live: optional(boolean()),
  instance_only: optional(boolean()),
  container_only: optional(boolean()),
  refresh: optional(boolean()),
  project: optional(string()),
  allow_inconsistent: optional(boolean()),
});
export type InstanceSource = Infer<typeof InstanceSource>;

export const InstancesPost = object({
  ...writable,
  name: optional(string()),
  source: optional(InstanceSource),
  instance_type: optional(string()),
  type: optional(string()),
  start: optional(boolean()),
}, { ignored: readOnlyFields });
export type InstancesPost = Infer<typeof InstancesPost>;

export const InstanceObject = object({
  architecture: string(),
  config: configMap(),
  devices: devicesMap(),
  ephemeral: boolean(),
  profiles: array(string()),
  stateful: boolean(),
  description: string(),
  created_at: string(),
  expanded_config: configMap(),
  expanded_devices: devicesMap(),
  name: string(),
  status: string(),
  status_code: integer(),
  last_used_at: string(),
  location: string(),
  type: string(),
  project: string(),
});
export type InstanceObject = Infer<typeof InstanceObject>;

/** An element of GET /1.0/instances?recursion=2. */
export type InstanceFull = InstanceObject & {
  readonly backups: null;
  readonly state: InstanceState | null;
  readonly snapshots: readonly InstanceSnapshotObject[] | null;
};

/** POST /1.0/instances/{name}: rename, move, or start of a migration source. */
export const InstancePost = object({
  name: optional(string()),
  migration: optional(boolean()),
  live: optional(boolean()),
  instance_only: optional(boolean()),
  container_only: optional(boolean()),
  target: optional(MigrationTarget),
  pool: optional(string()),
  project: optional(string()),
  allow_inconsistent: optional(boolean()),
});
export type InstancePost = Infer<typeof InstancePost>;

export const InstanceStatePut = object({
  action: oneOf("start", "stop", "restart", "freeze", "unfreeze"),
  /** Seconds to wait for a clean shutdown; -1 waits for ever. */
  timeout: optional(integer({ min: -1 })),
  force: optional(boolean()),
  stateful: optional(boolean()),
});
export type InstanceStatePut = Infer<typeof InstanceStatePut>;

const at = "/1.0/instances";
const one = "/1.0/instances/{name}";

export const getInstances = route({
  method: "GET",
  path: at,
  summary: "List instances",
  access: "trusted",
  query: object({ "instance-type": optional(string()) }),
  reply: "sync",
});
export const postInstances = route({
  method: "POST",
  path: at,
  summary: "Create an instance",
  access: "trusted",
  reply: "operation",
  body: InstancesPost,
  stream: true,
});
export const putInstances = route({
  method: "PUT",
  path: at,
  summary: "Change the state of all instances",
  access: "trusted",
  reply: "operation",
  body: object({ state: optional(InstanceStatePut) }),
  extension: "instance_bulk_state_change",
});
export const getInstance = route({
  method: "GET",
  path: one,
  summary: "Show an instance",
  access: "trusted",
  reply: "sync",
  metadata: InstanceObject,
});
export const putInstance = route({
  method: "PUT",
  path: one,
  summary: "Replace the configuration of an instance, or restore a snapshot",
  access: "trusted",
  reply: "operation",
  body: InstancePut,
});
export const patchInstance = route({
  method: "PATCH",
  path: one,
  summary: "Change some of the configuration of an instance",
  access: "trusted",
  reply: "sync",
  body: InstancePut,
  extension: "patch",
});
export const postInstance = route({
  method: "POST",
  path: one,
  summary: "Rename or move an instance, or start its migration",
  access: "trusted",
  reply: "operation",
  body: InstancePost,
});
/** For a new root: `source` names an image, or is of type none. */
export const InstanceRebuildPost = object({ source: InstanceSource });
export const rebuildInstance = route({
  method: "POST",
  path: `${one}/rebuild`,
  summary: "Give a stopped instance a new root",
  access: "trusted",
  reply: "operation",
  body: InstanceRebuildPost,
});
export const deleteInstance = route({
  method: "DELETE",
  path: one,
  summary: "Delete an instance",
  access: "trusted",
  reply: "operation",
});
export const getInstanceState = route({
  method: "GET",
  path: `${one}/state`,
  summary: "Show the state of an instance: addresses, counters, usage",
  access: "trusted",
  reply: "sync",
  metadata: InstanceState,
});
export const putInstanceState = route({
  method: "PUT",
  path: `${one}/state`,
  summary: "Start, stop, restart, freeze or unfreeze an instance",
  access: "trusted",
  reply: "operation",
  body: InstanceStatePut,
});
