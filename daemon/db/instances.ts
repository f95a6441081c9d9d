/** Queries on instances and what belongs to them. */
import { Fault } from "#base/errors.ts";
import { expandConfig, expandDevices } from "#daemon/instances/expand.ts";
import type { Config, Devices, InstanceRecord, ProfileLayer } from "#daemon/instances/record.ts";
import {
  patchConfig,
  readAllConfig,
  readAllDevices,
  readConfig,
  readDevices,
  writeConfig,
  writeDevices,
} from "./config.ts";
import { integer, type Row, type SqlValue, text, type Tx } from "./db.ts";
import { effectiveProject, getProject } from "./projects.ts";

const SELECT = `SELECT i.id, p.name AS project, i.name, i.description, i.architecture, i.ephemeral,
  i.stateful, i.creation_date, i.last_use_date, i.half_made
  FROM instances i JOIN projects p ON p.id = i.project_id`;

/** Every instance (of one project), sorted by project and name. */
export async function listInstances(tx: Tx, project?: string): Promise<InstanceRecord[]> {
  const rows = project === undefined
    ? await tx.all(`${SELECT} ORDER BY p.name, i.name`)
    : await tx.all(`${SELECT} WHERE p.name = ? ORDER BY i.name`, project);
  if (rows.length === 0) return [];
  const config = await readAllConfig(tx, "instances");
  const devices = await readAllDevices(tx, "instances");
  const profileConfig = await readAllConfig(tx, "profiles");
  const profileDevices = await readAllDevices(tx, "profiles");
  const used = await tx.all(
    `SELECT ip.instance_id, p.id, p.name FROM instances_profiles ip
       JOIN profiles p ON p.id = ip.profile_id ORDER BY ip.instance_id, ip.apply_order, ip.id`,
  );
  const layers = new Map<number, ProfileLayer[]>();
  for (const row of used) {
    const id = integer(row, "id");
    const layer = {
      id,
      name: text(row, "name"),
      config: profileConfig.get(id) ?? {},
      devices: profileDevices.get(id) ?? {},
    };
    const instance = integer(row, "instance_id");
    const list = layers.get(instance);
    if (list === undefined) layers.set(instance, [layer]);
    else list.push(layer);
  }
  return rows.map((row) => {
    const id = integer(row, "id");
    return toRecord(row, config.get(id) ?? {}, devices.get(id) ?? {}, layers.get(id) ?? []);
  });
}

/** Expanded with its profiles; undefined if there is none. Instances only, no snapshots. */
export async function findInstance(
  tx: Tx,
  project: string,
  name: string,
): Promise<InstanceRecord | undefined> {
  const row = await tx.get(`${SELECT} WHERE p.name = ? AND i.name = ?`, project, name);
  return row === undefined ? undefined : await load(tx, row);
}

/** @throws {Fault} not_found */
export async function getInstance(tx: Tx, project: string, name: string): Promise<InstanceRecord> {
  const record = await findInstance(tx, project, name);
  if (record === undefined) {
    throw new Fault("not_found", "Instance not found", {
      hint: `No instance "${name}" in project "${project}".`,
    });
  }
  return record;
}

/** As findInstance. */
export async function findInstanceById(tx: Tx, id: number): Promise<InstanceRecord | undefined> {
  const row = await tx.get(`${SELECT} WHERE i.id = ?`, id);
  return row === undefined ? undefined : await load(tx, row);
}

/** One that was there before its lock was waited for. @throws {Fault} not_found: it has gone */
export async function getInstanceById(tx: Tx, id: number): Promise<InstanceRecord> {
  const record = await findInstanceById(tx, id);
  if (record === undefined) throw new Fault("not_found", "Instance not found");
  return record;
}

async function load(tx: Tx, row: Row): Promise<InstanceRecord> {
  const id = integer(row, "id");
  const profiles = await tx.all(
    `SELECT p.id, p.name FROM instances_profiles ip JOIN profiles p ON p.id = ip.profile_id
       WHERE ip.instance_id = ? ORDER BY ip.apply_order, ip.id`,
    id,
  );
  const layers: ProfileLayer[] = [];
  for (const profile of profiles) layers.push(await loadLayer(tx, profile));
  const config = await readConfig(tx, "instances", id);
  return toRecord(row, config, await readDevices(tx, "instances", id), layers);
}

async function loadLayer(tx: Tx, row: Row): Promise<ProfileLayer> {
  const id = integer(row, "id");
  return {
    id,
    name: text(row, "name"),
    config: await readConfig(tx, "profiles", id),
    devices: await readDevices(tx, "profiles", id),
  };
}

function toRecord(
  row: Row,
  config: Config,
  devices: Devices,
  profiles: readonly ProfileLayer[],
): InstanceRecord {
  return {
    id: integer(row, "id"),
    project: text(row, "project"),
    name: text(row, "name"),
    description: text(row, "description"),
    architecture: integer(row, "architecture"),
    isEphemeral: integer(row, "ephemeral") !== 0,
    isStateful: integer(row, "stateful") !== 0,
    createdAt: text(row, "creation_date"),
    lastUsedAt: text(row, "last_use_date"),
    isHalfMade: integer(row, "half_made") !== 0,
    config,
    devices,
    profiles,
    expandedConfig: expandConfig(profiles, config),
    expandedDevices: expandDevices(profiles, devices),
  };
}

/**
 * The profiles of these names for an instance of `project`, in order.
 *
 * @throws {Fault} bad_request if one does not exist or is named twice.
 */
export async function profileLayers(
  tx: Tx,
  project: string,
  names: readonly string[],
): Promise<ProfileLayer[]> {
  const owner = await effectiveProject(tx, project, "profiles");
  const layers: ProfileLayer[] = [];
  for (const name of names) {
    if (layers.some((layer) => layer.name === name)) {
      throw new Fault("bad_request", `Duplicate profile found in request: "${name}"`);
    }
    const row = await tx.get(
      "SELECT id, name FROM profiles WHERE project_id = ? AND name = ?",
      owner.id,
      name,
    );
    if (row === undefined) {
      throw new Fault("bad_request", `Requested profile "${name}" doesn't exist`, {
        hint: "lxc profile list",
      });
    }
    layers.push(await loadLayer(tx, row));
  }
  return layers;
}

export interface NewInstance {
  readonly project: string;
  readonly name: string;
  readonly description: string;
  readonly architecture: number;
  readonly isEphemeral: boolean;
  readonly createdAt: string;
  readonly config: Config;
  readonly devices: Devices;
  readonly profiles: readonly { readonly id: number }[];
}

/** Insert an instance as half made. @returns its id. @throws {Fault} conflict if the name is taken. */
export async function insertInstance(tx: Tx, instance: NewInstance): Promise<number> {
  const project = await getProject(tx, instance.project);
  const taken = await tx.get(
    "SELECT id FROM instances WHERE project_id = ? AND name = ?",
    project.id,
    instance.name,
  );
  if (taken !== undefined) {
    throw new Fault("conflict", `Instance "${instance.name}" already exists`);
  }
  const { lastId } = await tx.run(
    `INSERT INTO instances (name, architecture, ephemeral, creation_date, description, half_made,
       project_id) VALUES (?, ?, ?, ?, ?, 1, ?)`,
    instance.name,
    instance.architecture,
    instance.isEphemeral ? 1 : 0,
    instance.createdAt,
    instance.description,
    project.id,
  );
  await writeConfig(tx, "instances", lastId, instance.config);
  await writeDevices(tx, "instances", lastId, instance.devices);
  await writeProfiles(tx, lastId, instance.profiles);
  return lastId;
}

async function writeProfiles(
  tx: Tx,
  id: number,
  profiles: readonly { readonly id: number }[],
): Promise<void> {
  await tx.run("DELETE FROM instances_profiles WHERE instance_id = ?", id);
  for (const [order, profile] of profiles.entries()) {
    await tx.run(
      "INSERT INTO instances_profiles (instance_id, profile_id, apply_order) VALUES (?, ?, ?)",
      id,
      profile.id,
      order + 1,
    );
  }
}

/** The instance is complete: recovery must not undo it any more. */
export async function markMade(tx: Tx, id: number): Promise<void> {
  await tx.run("UPDATE instances SET half_made = 0 WHERE id = ?", id);
}

/** Its deletion has begun: recovery finishes it. */
export async function markHalfMade(tx: Tx, id: number): Promise<void> {
  await tx.run("UPDATE instances SET half_made = 1 WHERE id = ?", id);
}

/** Its config, devices, snapshots and backups go with it. Absent is no error. */
export async function deleteInstanceRow(tx: Tx, id: number): Promise<void> {
  await tx.run("DELETE FROM instances WHERE id = ?", id);
}

/** @throws {Fault} conflict if the name is taken. */
export async function renameInstance(tx: Tx, id: number, name: string): Promise<void> {
  const taken = await tx.get(
    `SELECT o.id FROM instances o JOIN instances i ON i.project_id = o.project_id
       WHERE i.id = ? AND o.name = ?`,
    id,
    name,
  );
  if (taken !== undefined) {
    throw new Fault("conflict", `Name "${name}" already in use`);
  }
  await tx.run("UPDATE instances SET name = ? WHERE id = ?", name, id);
}

export interface InstanceChange {
  readonly description?: string;
  readonly architecture?: number;
  readonly isEphemeral?: boolean;
  readonly isStateful?: boolean;
  readonly config?: Config;
  readonly devices?: Devices;
  readonly profiles?: readonly { readonly id: number }[];
}

/** Only what the change names; config, devices and profiles replace all that were there. */
export async function updateInstance(tx: Tx, id: number, change: InstanceChange): Promise<void> {
  const columns: [string, SqlValue][] = [];
  if (change.description !== undefined) columns.push(["description", change.description]);
  if (change.architecture !== undefined) columns.push(["architecture", change.architecture]);
  if (change.isEphemeral !== undefined) columns.push(["ephemeral", change.isEphemeral ? 1 : 0]);
  if (change.isStateful !== undefined) columns.push(["stateful", change.isStateful ? 1 : 0]);
  if (columns.length > 0) {
    const set = columns.map(([name]) => `${name} = ?`).join(", ");
    await tx.run(`UPDATE instances SET ${set} WHERE id = ?`, ...columns.map(([, v]) => v), id);
  }
  if (change.config !== undefined) await writeConfig(tx, "instances", id, change.config);
  if (change.devices !== undefined) await writeDevices(tx, "instances", id, change.devices);
  if (change.profiles !== undefined) await writeProfiles(tx, id, change.profiles);
}

/** Set some config keys and remove others. */
export async function patchInstanceConfig(
  tx: Tx,
  id: number,
  changes: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  await patchConfig(tx, "instances", id, changes);
}

/** @param at ISO 8601, UTC. */
export async function setLastUsed(tx: Tx, id: number, at: string): Promise<void> {
  await tx.run("UPDATE instances SET last_use_date = ? WHERE id = ?", at, id);
}
