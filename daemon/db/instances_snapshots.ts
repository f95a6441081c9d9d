/** Queries on the snapshots of instances. */
import { Fault } from "#base/errors.ts";
import { expandConfig, expandDevices } from "#daemon/instances/expand.ts";
import type { Config, Devices, InstanceRecord, SnapshotRecord } from "#daemon/instances/record.ts";
import {
  readAllConfig,
  readAllDevices,
  readConfig,
  readDevices,
  writeConfig,
  writeDevices,
} from "./config.ts";
import { integer, type Row, text, type Tx } from "./db.ts";

const SELECT = `SELECT id, instance_id, name, creation_date, stateful, expiry_date, saved
  FROM instances_snapshots`;

/** What a snapshot remembers besides config and devices (the column `saved`, as JSON). */
interface Saved {
  readonly profiles: readonly string[];
  readonly ephemeral: boolean;
}

/** Snapshots of all instances given, by instance id, oldest first. */
export async function listSnapshots(
  tx: Tx,
  instances: readonly InstanceRecord[],
): Promise<Map<number, SnapshotRecord[]>> {
  const result = new Map<number, SnapshotRecord[]>();
  const byId = new Map(instances.map((instance) => [instance.id, instance]));
  const one = instances.length === 1 ? instances[0]?.id : undefined;
  const rows = one === undefined
    ? await tx.all(`${SELECT} ORDER BY creation_date, id`)
    : await tx.all(`${SELECT} WHERE instance_id = ? ORDER BY creation_date, id`, one);
  if (rows.length === 0) return result;
  const config = await readAllConfig(tx, "instances_snapshots");
  const devices = await readAllDevices(tx, "instances_snapshots");
  for (const row of rows) {
    const owner = byId.get(integer(row, "instance_id"));
    if (owner === undefined) continue;
    const id = integer(row, "id");
    const record = toRecord(row, owner, config.get(id) ?? {}, devices.get(id) ?? {});
    const list = result.get(owner.id);
    if (list === undefined) result.set(owner.id, [record]);
    else list.push(record);
  }
  return result;
}

async function findSnapshot(
  tx: Tx,
  instance: InstanceRecord,
  name: string,
): Promise<SnapshotRecord | undefined> {
  const row = await tx.get(`${SELECT} WHERE instance_id = ? AND name = ?`, instance.id, name);
  if (row === undefined) return undefined;
  const id = integer(row, "id");
  const config = await readConfig(tx, "instances_snapshots", id);
  return toRecord(row, instance, config, await readDevices(tx, "instances_snapshots", id));
}

/** @throws {Fault} not_found */
export async function getSnapshot(
  tx: Tx,
  instance: InstanceRecord,
  name: string,
): Promise<SnapshotRecord> {
  const snapshot = await findSnapshot(tx, instance, name);
  if (snapshot === undefined) {
    throw new Fault("not_found", "Instance snapshot not found", {
      hint: `Instance "${instance.name}" has no snapshot "${name}".`,
    });
  }
  return snapshot;
}

function toRecord(
  row: Row,
  owner: InstanceRecord,
  config: Config,
  devices: Devices,
): SnapshotRecord {
  const saved = parseSaved(text(row, "saved"), owner);
  const layers = owner.profiles.filter((layer) => saved.profiles.includes(layer.name));
  return {
    id: integer(row, "id"),
    instanceId: owner.id,
    name: text(row, "name"),
    createdAt: text(row, "creation_date"),
    expiresAt: text(row, "expiry_date"),
    isStateful: integer(row, "stateful") !== 0,
    isEphemeral: saved.ephemeral,
    architecture: owner.architecture,
    profiles: saved.profiles,
    config,
    devices,
    expandedConfig: expandConfig(layers, config),
    expandedDevices: expandDevices(layers, devices),
  };
}

function parseSaved(json: string, owner: InstanceRecord): Saved {
  const value: unknown = JSON.parse(json);
  const saved = typeof value === "object" && value !== null ? value : {};
  const profiles = "profiles" in saved && Array.isArray(saved.profiles)
    ? saved.profiles.map(String)
    : owner.profiles.map((layer) => layer.name);
  return { profiles, ephemeral: "ephemeral" in saved ? saved.ephemeral === true : false };
}

export interface NewSnapshot {
  readonly name: string;
  readonly createdAt: string;
  /** "" : never. */
  readonly expiresAt: string;
  readonly config: Config;
  readonly devices: Devices;
  readonly profiles: readonly string[];
  readonly isEphemeral: boolean;
}

/** @throws {Fault} conflict if the name is taken. */
export async function insertSnapshot(
  tx: Tx,
  instance: { readonly id: number },
  snapshot: NewSnapshot,
): Promise<number> {
  const taken = await tx.get(
    "SELECT id FROM instances_snapshots WHERE instance_id = ? AND name = ?",
    instance.id,
    snapshot.name,
  );
  if (taken !== undefined) {
    throw new Fault("conflict", `Snapshot "${snapshot.name}" already exists`);
  }
  const saved: Saved = { profiles: snapshot.profiles, ephemeral: snapshot.isEphemeral };
  const { lastId } = await tx.run(
    `INSERT INTO instances_snapshots (instance_id, name, creation_date, expiry_date, saved)
       VALUES (?, ?, ?, ?, ?)`,
    instance.id,
    snapshot.name,
    snapshot.createdAt,
    snapshot.expiresAt === "" ? null : snapshot.expiresAt,
    JSON.stringify(saved),
  );
  await writeConfig(tx, "instances_snapshots", lastId, snapshot.config);
  await writeDevices(tx, "instances_snapshots", lastId, snapshot.devices);
  return lastId;
}

/** The running state was saved with it. */
export async function markStateful(tx: Tx, id: number): Promise<void> {
  await tx.run("UPDATE instances_snapshots SET stateful = 1 WHERE id = ?", id);
}

/** Its config and devices go with it. Absent is no error. */
export async function deleteSnapshotRow(tx: Tx, id: number): Promise<void> {
  await tx.run("DELETE FROM instances_snapshots WHERE id = ?", id);
}

/** @throws {Fault} conflict if the name is taken. */
export async function renameSnapshotRow(
  tx: Tx,
  snapshot: { readonly id: number; readonly instanceId: number },
  name: string,
): Promise<void> {
  const taken = await tx.get(
    "SELECT id FROM instances_snapshots WHERE instance_id = ? AND name = ?",
    snapshot.instanceId,
    name,
  );
  if (taken !== undefined) throw new Fault("conflict", `Name "${name}" already in use`);
  await tx.run("UPDATE instances_snapshots SET name = ? WHERE id = ?", name, snapshot.id);
}

/** @param expiresAt "" : never. */
export async function setSnapshotExpiry(tx: Tx, id: number, expiresAt: string): Promise<void> {
  await tx.run(
    "UPDATE instances_snapshots SET expiry_date = ? WHERE id = ?",
    expiresAt === "" ? null : expiresAt,
    id,
  );
}
