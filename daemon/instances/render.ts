/** Records -> objects of the API. The one place where names change from ours to LXD's. Pure. */
import { trimmedTime } from "#base/time.ts";
import type { InstanceObject } from "#api/routes/instances.ts";
import type { InstanceSnapshotObject } from "#api/routes/instance_snapshots.ts";
import type { RunState } from "./machine.ts";
import { statusOf } from "./machine.ts";
import { architectureName, type InstanceRecord, type SnapshotRecord } from "./record.ts";

/** Go's zero time, and what LXD shows for an instance that never ran. */
export const NEVER = "0001-01-01T00:00:00Z";
const NEVER_USED = "1970-01-01T00:00:00Z";

/** Without snapshots, backups and state: those cost more questions. */
export function renderInstance(record: InstanceRecord, state: RunState): InstanceObject {
  return {
    architecture: architectureName(record.architecture),
    config: { ...record.config },
    devices: copyDevices(record.devices),
    ephemeral: record.isEphemeral,
    profiles: record.profiles.map((layer) => layer.name),
    stateful: record.isStateful,
    description: record.description,
    created_at: trimmedTime(record.createdAt),
    expanded_config: { ...record.expandedConfig },
    expanded_devices: copyDevices(record.expandedDevices),
    name: record.name,
    ...statusOf(state),
    last_used_at: record.lastUsedAt === "" ? NEVER_USED : trimmedTime(record.lastUsedAt),
    location: "none",
    type: "container",
    project: record.project,
  };
}

/** What the ETag of an instance covers, in LXD's order. */
export function instanceEtag(record: InstanceRecord): unknown {
  return [
    record.architecture,
    record.config,
    record.devices,
    record.isEphemeral,
    record.profiles.map((layer) => layer.name),
  ];
}

/** @param sizeBytes -1, as LXD, where it is not known without a walk over the files. */
export function renderSnapshot(
  snapshot: SnapshotRecord,
  sizeBytes = -1,
): InstanceSnapshotObject {
  return {
    architecture: architectureName(snapshot.architecture),
    config: { ...snapshot.config },
    created_at: trimmedTime(snapshot.createdAt),
    devices: copyDevices(snapshot.devices),
    ephemeral: snapshot.isEphemeral,
    expanded_config: { ...snapshot.expandedConfig },
    expanded_devices: copyDevices(snapshot.expandedDevices),
    last_used_at: NEVER,
    name: snapshot.name,
    profiles: [...snapshot.profiles],
    stateful: snapshot.isStateful,
    expires_at: snapshot.expiresAt === "" ? NEVER : snapshot.expiresAt,
    size: sizeBytes,
  };
}

function copyDevices(
  devices: Readonly<Record<string, Readonly<Record<string, string>>>>,
): Record<string, Record<string, string>> {
  return Object.fromEntries(
    Object.entries(devices).map(([name, config]) => [name, { ...config }]),
  );
}
