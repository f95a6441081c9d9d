/** Backups of instances and of custom volumes: two tables of one shape. */
import { Fault } from "#base/errors.ts";
import { integer, text, type Tx } from "./db.ts";

const TABLES = {
  instance: { table: "instances_backups", owner: "instance_id", only: "container_only" },
  volume: { table: "storage_volumes_backups", owner: "storage_volume_id", only: "volume_only" },
} as const;
export type BackupOwner = keyof typeof TABLES;

export interface NewBackup {
  readonly name: string;
  readonly createdAt: string;
  /** "" : never. */
  readonly expiresAt: string;
  /** Without snapshots. */
  readonly isBare: boolean;
  readonly isOptimized: boolean;
}

export interface BackupRow extends NewBackup {
  readonly id: number;
  readonly ownerId: number;
}

const MISSING: Readonly<Record<BackupOwner, string>> = {
  instance: "Load backup from database: Instance backup not found",
  volume: "Storage volume backup not found",
};

/** Of one owner, or of all; oldest first. */
export async function listBackups(
  tx: Tx,
  owner: BackupOwner,
  ownerId?: number,
): Promise<BackupRow[]> {
  const { table, owner: column, only } = TABLES[owner];
  const rows = await tx.all(
    `SELECT id, ${column} AS owner, name, creation_date, expiry_date, ${only} AS bare,
       optimized_storage FROM ${table} WHERE ?1 IS NULL OR ${column} = ?1 ORDER BY id`,
    ownerId ?? null,
  );
  return rows.map((row) => ({
    id: integer(row, "id"),
    ownerId: integer(row, "owner"),
    name: text(row, "name"),
    createdAt: text(row, "creation_date"),
    expiresAt: text(row, "expiry_date"),
    isBare: integer(row, "bare") !== 0,
    isOptimized: integer(row, "optimized_storage") !== 0,
  }));
}

/** @throws {Fault} not_found */
export async function getBackup(
  tx: Tx,
  owner: BackupOwner,
  ownerId: number,
  name: string,
): Promise<BackupRow> {
  const found = (await listBackups(tx, owner, ownerId)).find((one) => one.name === name);
  if (found === undefined) throw new Fault("not_found", MISSING[owner]);
  return found;
}

/** @throws {Fault} conflict if the name is taken. */
export async function insertBackup(
  tx: Tx,
  owner: BackupOwner,
  ownerId: number,
  backup: NewBackup,
): Promise<number> {
  const { table, owner: column, only } = TABLES[owner];
  await requireFree(tx, owner, ownerId, backup.name);
  const { lastId } = await tx.run(
    `INSERT INTO ${table} (${column}, name, creation_date, expiry_date, ${only}, optimized_storage)
       VALUES (?, ?, ?, ?, ?, ?)`,
    ownerId,
    backup.name,
    backup.createdAt,
    backup.expiresAt === "" ? null : backup.expiresAt,
    backup.isBare ? 1 : 0,
    backup.isOptimized ? 1 : 0,
  );
  return lastId;
}

/** @throws {Fault} conflict if the name is taken. */
export async function renameBackupRow(
  tx: Tx,
  owner: BackupOwner,
  backup: BackupRow,
  name: string,
): Promise<void> {
  await requireFree(tx, owner, backup.ownerId, name);
  await tx.run(`UPDATE ${TABLES[owner].table} SET name = ? WHERE id = ?`, name, backup.id);
}

/** The archive is for the caller to remove. Absent is no error. */
export async function deleteBackupRow(tx: Tx, owner: BackupOwner, id: number): Promise<void> {
  await tx.run(`DELETE FROM ${TABLES[owner].table} WHERE id = ?`, id);
}

async function requireFree(
  tx: Tx,
  owner: BackupOwner,
  ownerId: number,
  name: string,
): Promise<void> {
  const taken = (await listBackups(tx, owner, ownerId)).some((one) => one.name === name);
  if (taken) throw new Fault("conflict", `Backup "${name}" already exists`);
}

/** The earliest expiry of all backups, "" without. */
export async function firstBackupExpiry(tx: Tx): Promise<string> {
  const row = await tx.get(
    `SELECT min(expiry_date) AS first FROM (SELECT expiry_date FROM instances_backups
       UNION ALL SELECT expiry_date FROM storage_volumes_backups) WHERE expiry_date > ''`,
  );
  return row === undefined ? "" : text(row, "first");
}
