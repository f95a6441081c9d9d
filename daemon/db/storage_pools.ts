/** Storage pools and volumes in the database. */
import { Fault } from "#base/errors.ts";
import { type Config, readAllConfig, writeConfig } from "./config.ts";
import { integer, text, type Tx } from "./db.ts";

export interface Pool {
  readonly id: number;
  readonly name: string;
  readonly driver: string;
  readonly description: string;
  readonly config: Config;
}

/** By name. */
export async function listPools(tx: Tx): Promise<Pool[]> {
  const rows = await tx.all(
    "SELECT id, name, driver, description FROM storage_pools ORDER BY name",
  );
  const config = await readAllConfig(tx, "storage_pools");
  return rows.map((row) => ({
    id: integer(row, "id"),
    name: text(row, "name"),
    driver: text(row, "driver"),
    description: text(row, "description"),
    config: config.get(integer(row, "id")) ?? {},
  }));
}

/** @throws {Fault} not_found */
export async function getPool(tx: Tx, name: string): Promise<Pool> {
  const found = (await listPools(tx)).find((pool) => pool.name === name);
  if (found === undefined) throw new Fault("not_found", `Storage pool not found: "${name}"`);
  return found;
}

/** @throws {Fault} conflict if there is one of that name. */
export async function insertPool(tx: Tx, pool: Omit<Pool, "id">): Promise<void> {
  const { lastId } = await tx.run(
    "INSERT INTO storage_pools (name, driver, description, state) VALUES (?, ?, ?, 1)",
    pool.name,
    pool.driver,
    pool.description,
  );
  await tx.run(
    "INSERT INTO storage_pools_nodes (storage_pool_id, node_id, state) VALUES (?, 1, 1)",
    lastId,
  );
  await writeConfig(tx, "storage_pools", lastId, pool.config);
}

/** LXD's numbers for volume types. */
export const VOLUME_TYPES = { container: 0, image: 1, custom: 2, "virtual-machine": 3 } as const;
export type VolumeType = keyof typeof VOLUME_TYPES;

/** The fault for a volume that is not there. Pure. */
export function volumeMissing(
  { pool, name, type }: {
    readonly pool: string;
    readonly name: string;
    readonly type: VolumeType;
  },
): Fault {
  return new Fault("not_found", "Storage volume not found", {
    hint: `Pool "${pool}" has no ${type} volume "${name}".`,
  });
}

/** The fault for a pool that still has users. Pure. @param users their URLs or names. */
export function poolInUse(users: readonly string[]): Fault {
  return new Fault("bad_request", "The storage pool is currently in use", {
    hint: `Used by ${users.slice(0, 5).join(", ")}`,
  });
}

/** Volumes of images go with it. @throws {Fault} bad_request if somebody has made another one meanwhile. */
export async function deletePoolRow(tx: Tx, pool: Pool): Promise<void> {
  const held = await tx.all(
    "SELECT name FROM storage_volumes WHERE storage_pool_id = ? AND type != ?",
    pool.id,
    VOLUME_TYPES.image,
  );
  if (held.length > 0) throw poolInUse(held.map((row) => text(row, "name")));
  await tx.run("DELETE FROM storage_pools WHERE id = ?", pool.id);
}

export interface VolumeRow {
  readonly id: number;
  readonly pool: string;
  readonly project: string;
  readonly name: string;
  readonly type: VolumeType;
  readonly description: string;
  readonly contentType: "filesystem" | "block";
  readonly config: Config;
}

/** Of all pools and projects but for the filter; by type and name. No snapshots. */
export async function listVolumes(
  tx: Tx,
  filter: { pool?: string; type?: VolumeType; name?: string; project?: string } = {},
): Promise<VolumeRow[]> {
  const rows = await tx.all(
    "SELECT v.id, v.name, v.type, v.description, v.content_type, p.name AS pool, j.name AS project " +
      "FROM storage_volumes v JOIN storage_pools p ON p.id = v.storage_pool_id " +
      "JOIN projects j ON j.id = v.project_id ORDER BY v.type, v.name",
  );
  const config = await readAllConfig(tx, "storage_volumes");
  const types = Object.keys(VOLUME_TYPES) as VolumeType[];
  return rows.map((row): VolumeRow => ({
    id: integer(row, "id"),
    pool: text(row, "pool"),
    project: text(row, "project"),
    name: text(row, "name"),
    type: types[integer(row, "type")] ?? "custom",
    description: text(row, "description"),
    contentType: integer(row, "content_type") === 1 ? "block" : "filesystem",
    config: config.get(integer(row, "id")) ?? {},
  })).filter((volume) =>
    Object.entries(filter).every(([key, value]) =>
      value === undefined || volume[key as "pool"] === value
    )
  );
}

/** @returns its id. @throws {Fault} not_found if the pool or project has gone, conflict if it is there. */
export async function insertVolume(
  tx: Tx,
  volume:
    & Pick<VolumeRow, "pool" | "project" | "name" | "type" | "description" | "config">
    & Partial<Pick<VolumeRow, "contentType">>,
): Promise<number> {
  const { changes, lastId } = await tx.run(
    "INSERT INTO storage_volumes " +
      "(name, storage_pool_id, node_id, type, description, content_type, project_id) " +
      "SELECT ?, p.id, 1, ?, ?, ?, j.id FROM storage_pools p, projects j " +
      "WHERE p.name = ? AND j.name = ?",
    volume.name,
    VOLUME_TYPES[volume.type],
    volume.description,
    volume.contentType === "block" ? 1 : 0,
    volume.pool,
    volume.project,
  );
  if (changes === 0) {
    throw new Fault("not_found", `Storage pool or project not found: "${volume.pool}"`, {
      hint: "It was deleted meanwhile.",
    });
  }
  await writeConfig(tx, "storage_volumes", lastId, volume.config);
  return lastId;
}

/** Whether the database knows it; what lies on the pool is another question. */
export async function hasVolumeRow(
  tx: Tx,
  volume: Pick<VolumeRow, "pool" | "project" | "name" | "type">,
): Promise<boolean> {
  const row = await tx.get(
    "SELECT 1 FROM storage_volumes v JOIN storage_pools p ON p.id = v.storage_pool_id " +
      "JOIN projects j ON j.id = v.project_id " +
      "WHERE v.name = ? AND v.type = ? AND p.name = ? AND j.name = ?",
    volume.name,
    VOLUME_TYPES[volume.type],
    volume.pool,
    volume.project,
  );
  return row !== undefined;
}

/** Its config, snapshots and backups go with it. Absent is no error. */
export async function deleteVolumeRow(
  tx: Tx,
  volume: Pick<VolumeRow, "pool" | "project" | "name" | "type">,
): Promise<void> {
  await tx.run(
    "DELETE FROM storage_volumes WHERE name = ? AND type = ? AND " +
      "storage_pool_id = (SELECT id FROM storage_pools WHERE name = ?) AND " +
      "project_id = (SELECT id FROM projects WHERE name = ?)",
    volume.name,
    VOLUME_TYPES[volume.type],
    volume.pool,
    volume.project,
  );
}

/** Its snapshots keep to it. @throws {Fault} conflict if the new name is taken. */
export async function renameVolumeRow(
  tx: Tx,
  volume: Pick<VolumeRow, "pool" | "project" | "name" | "type">,
  newName: string,
): Promise<void> {
  await tx.run(
    "UPDATE storage_volumes SET name = ? WHERE name = ? AND type = ? AND " +
      "storage_pool_id = (SELECT id FROM storage_pools WHERE name = ?) AND " +
      "project_id = (SELECT id FROM projects WHERE name = ?)",
    newName,
    volume.name,
    VOLUME_TYPES[volume.type],
    volume.pool,
    volume.project,
  );
}
