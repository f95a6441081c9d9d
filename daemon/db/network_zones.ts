/** Network zones and their records in the database. */
import type { ZoneEntry } from "#api/config/network_zone.ts";
import { Fault } from "#base/errors.ts";
import { type Config, readAllConfig, writeConfig } from "./config.ts";
import { integer, text, type Tx } from "./db.ts";

export interface ZoneRow {
  readonly id: number;
  readonly projectId: number;
  readonly project: string;
  readonly name: string;
  readonly description: string;
  readonly config: Config;
}

export interface ZoneRecordRow {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly entries: readonly ZoneEntry[];
  readonly config: Config;
}

/** Of one project, or of all; by name, which no two projects share. */
export async function listZones(tx: Tx, projectId?: number): Promise<ZoneRow[]> {
  const rows = await tx.all(
    "SELECT z.id, z.project_id, p.name AS project, z.name, z.description FROM networks_zones z " +
      "JOIN projects p ON p.id = z.project_id WHERE ?1 IS NULL OR z.project_id = ?1 ORDER BY z.name",
    projectId ?? null,
  );
  const config = await readAllConfig(tx, "networks_zones");
  return rows.map((row) => ({
    id: integer(row, "id"),
    projectId: integer(row, "project_id"),
    project: text(row, "project"),
    name: text(row, "name"),
    description: text(row, "description"),
    config: config.get(integer(row, "id")) ?? {},
  }));
}

/** @throws {Fault} not_found */
export async function getZone(tx: Tx, projectId: number, name: string): Promise<ZoneRow> {
  const found = (await listZones(tx, projectId)).find((one) => one.name === name);
  if (found === undefined) throw new Fault("not_found", "Network zone not found");
  return found;
}

/** @throws {Fault} conflict if any project has one of that name. */
export async function insertZone(
  tx: Tx,
  zone: Pick<ZoneRow, "projectId" | "name" | "description" | "config">,
): Promise<void> {
  const { lastId } = await tx.run(
    "INSERT INTO networks_zones (name, description, project_id) VALUES (?, ?, ?)",
    zone.name,
    zone.description,
    zone.projectId,
  );
  await writeConfig(tx, "networks_zones", lastId, zone.config);
}

/** All but the name. */
export async function updateZone(
  tx: Tx,
  zone: Pick<ZoneRow, "id" | "description" | "config">,
): Promise<void> {
  const { description, id, config } = zone;
  await tx.run("UPDATE networks_zones SET description = ? WHERE id = ?", description, id);
  await writeConfig(tx, "networks_zones", id, config);
}

/** Its records and config go with it; which networks use it is for the caller to check. */
export async function deleteZone(tx: Tx, id: number): Promise<void> {
  await tx.run("DELETE FROM networks_zones WHERE id = ?", id);
}

/** Of one zone, by name. */
export async function listRecords(tx: Tx, zoneId: number): Promise<ZoneRecordRow[]> {
  const rows = await tx.all(
    "SELECT id, name, description, entries FROM networks_zones_records " +
      "WHERE network_zone_id = ? ORDER BY name",
    zoneId,
  );
  const config = await readAllConfig(tx, "networks_zones_records");
  return rows.map((row) => ({
    id: integer(row, "id"),
    name: text(row, "name"),
    description: text(row, "description"),
    entries: JSON.parse(text(row, "entries") || "[]") ?? [],
    config: config.get(integer(row, "id")) ?? {},
  }));
}

/** @throws {Fault} not_found */
export async function getRecord(tx: Tx, zoneId: number, name: string): Promise<ZoneRecordRow> {
  const found = (await listRecords(tx, zoneId)).find((one) => one.name === name);
  if (found === undefined) throw new Fault("not_found", "Network zone record not found");
  return found;
}

/** @throws {Fault} conflict if the zone has one of that name. */
export async function insertRecord(
  tx: Tx,
  zoneId: number,
  record: Omit<ZoneRecordRow, "id">,
): Promise<void> {
  const { lastId } = await tx.run(
    "INSERT INTO networks_zones_records (network_zone_id, name, description, entries) " +
      "VALUES (?, ?, ?, ?)",
    zoneId,
    record.name,
    record.description,
    JSON.stringify(record.entries),
  );
  await writeConfig(tx, "networks_zones_records", lastId, record.config);
}

/** All but the name. */
export async function updateRecord(tx: Tx, record: ZoneRecordRow): Promise<void> {
  await tx.run(
    "UPDATE networks_zones_records SET description = ?, entries = ? WHERE id = ?",
    record.description,
    JSON.stringify(record.entries),
    record.id,
  );
  await writeConfig(tx, "networks_zones_records", record.id, record.config);
}

/** Its config goes with it. Absent is no error. */
export async function deleteRecord(tx: Tx, id: number): Promise<void> {
  await tx.run("DELETE FROM networks_zones_records WHERE id = ?", id);
}
