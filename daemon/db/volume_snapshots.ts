/** Snapshots of volumes in the database: of custom volumes, and one beside each instance snapshot. */
import { Fault } from "#base/errors.ts";
import { type Config, readAllConfig, readConfig, writeConfig } from "./config.ts";
import { integer, text, type Tx } from "./db.ts";
import { VOLUME_TYPES, volumeMissing, type VolumeType } from "./storage_pools.ts";

export interface VolumeKey {
  readonly pool: string;
  readonly project: string;
  readonly name: string;
  readonly type: VolumeType;
}

export interface NewVolumeSnapshot {
  readonly name: string;
  readonly description: string;
  /** "" : never. */
  readonly expiresAt: string;
  readonly config: Config;
}

export interface VolumeSnapshotRow extends NewVolumeSnapshot {
  readonly id: number;
  readonly volumeId: number;
}

/** Id of a volume. @throws {Fault} not_found */
export async function volumeId(tx: Tx, volume: VolumeKey): Promise<number> {
  const row = await tx.get(
    `SELECT v.id FROM storage_volumes v JOIN storage_pools p ON p.id = v.storage_pool_id
       JOIN projects j ON j.id = v.project_id
       WHERE p.name = ? AND j.name = ? AND v.name = ? AND v.type = ?`,
    volume.pool,
    volume.project,
    volume.name,
    VOLUME_TYPES[volume.type],
  );
  if (row === undefined) throw volumeMissing(volume);
  return integer(row, "id");
}

/** In the order in which they were taken; `volumeId` undefined: those of all volumes. */
export async function listVolumeSnapshots(tx: Tx, volumeId?: number): Promise<VolumeSnapshotRow[]> {
  const select = `SELECT id, storage_volume_id, name, description, expiry_date
    FROM storage_volumes_snapshots`;
  const rows = volumeId === undefined
    ? await tx.all(`${select} ORDER BY id`)
    : await tx.all(`${select} WHERE storage_volume_id = ? ORDER BY id`, volumeId);
  if (rows.length === 0) return [];
  const only = rows.length === 1 ? integer(rows[0] ?? {}, "id") : undefined;
  const config = await readAllConfig(tx, "storage_volumes_snapshots", only);
  return rows.map((row) => ({
    id: integer(row, "id"),
    volumeId: integer(row, "storage_volume_id"),
    name: text(row, "name"),
    description: text(row, "description"),
    expiresAt: text(row, "expiry_date"),
    config: config.get(integer(row, "id")) ?? {},
  }));
}

/** @throws {Fault} not_found */
export async function getVolumeSnapshot(
  tx: Tx,
  volumeId: number,
  name: string,
): Promise<VolumeSnapshotRow> {
  const found = (await listVolumeSnapshots(tx, volumeId)).find((one) => one.name === name);
  if (found === undefined) throw volumeSnapshotMissing(name);
  return found;
}

/** The fault for a snapshot of a volume that is not there. Pure. */
export function volumeSnapshotMissing(name: string): Fault {
  return new Fault("not_found", "Storage volume snapshot not found", {
    hint: `The volume has no snapshot "${name}".`,
  });
}

/** @throws {Fault} conflict if the name is taken. */
export async function insertVolumeSnapshot(
  tx: Tx,
  volumeId: number,
  snapshot: NewVolumeSnapshot,
): Promise<number> {
  const taken = (await listVolumeSnapshots(tx, volumeId)).some((one) => one.name === snapshot.name);
  if (taken) throw new Fault("conflict", `Snapshot "${snapshot.name}" already exists`);
  const id = await nextId(tx);
  await tx.run(
    `INSERT INTO storage_volumes_snapshots (id, storage_volume_id, name, description, expiry_date)
       VALUES (?, ?, ?, ?, ?)`,
    id,
    volumeId,
    snapshot.name,
    snapshot.description,
    snapshot.expiresAt === "" ? null : snapshot.expiresAt,
  );
  await writeConfig(tx, "storage_volumes_snapshots", id, snapshot.config);
  return id;
}

/** Volumes and their snapshots share one sequence: the view `storage_volumes_all` shows both. */
async function nextId(tx: Tx): Promise<number> {
  await tx.run("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'storage_volumes'");
  const row = await tx.get("SELECT seq FROM sqlite_sequence WHERE name = 'storage_volumes'");
  return integer(row ?? {}, "seq");
}

/** Only what the change names; `expiresAt` is ISO 8601, or "" for never. */
export async function updateVolumeSnapshot(
  tx: Tx,
  id: number,
  change: { readonly description?: string; readonly expiresAt?: string },
): Promise<void> {
  if (change.description !== undefined) {
    await tx.run(
      "UPDATE storage_volumes_snapshots SET description = ? WHERE id = ?",
      change.description,
      id,
    );
  }
  if (change.expiresAt !== undefined) {
    await tx.run(
      "UPDATE storage_volumes_snapshots SET expiry_date = ? WHERE id = ?",
      change.expiresAt === "" ? null : change.expiresAt,
      id,
    );
  }
}

/** @throws {Fault} conflict if the name is taken. */
export async function renameVolumeSnapshotRow(
  tx: Tx,
  snapshot: { readonly id: number; readonly volumeId: number },
  name: string,
): Promise<void> {
  const taken = (await listVolumeSnapshots(tx, snapshot.volumeId)).some((one) =>
    one.name === name && one.id !== snapshot.id
  );
  if (taken) throw new Fault("conflict", `Name "${name}" already in use`);
  await tx.run("UPDATE storage_volumes_snapshots SET name = ? WHERE id = ?", name, snapshot.id);
}

/** Its config goes with it. Absent is no error. */
export async function deleteVolumeSnapshotRow(tx: Tx, id: number): Promise<void> {
  await tx.run("DELETE FROM storage_volumes_snapshots WHERE id = ?", id);
}

/** The names of snapshots that an instance has and its volume lacks, which only a damaged database has. */
export async function missingVolumeSnapshots(
  tx: Tx,
  instanceId?: number,
): Promise<{ volume: VolumeKey; names: string[] }[]> {
  const rows = await tx.all(
    `SELECT i.id, i.name AS instance, j.name AS project, p.name AS pool, s.name
       FROM instances_snapshots s JOIN instances i ON i.id = s.instance_id
       JOIN projects j ON j.id = i.project_id
       JOIN storage_volumes v ON v.name = i.name AND v.project_id = i.project_id AND v.type = 0
       JOIN storage_pools p ON p.id = v.storage_pool_id
       WHERE NOT EXISTS (SELECT 1 FROM storage_volumes_snapshots x
         WHERE x.storage_volume_id = v.id AND x.name = s.name)
       AND (?1 IS NULL OR i.id = ?1) ORDER BY i.id, s.creation_date, s.id`,
    instanceId ?? null,
  );
  return [...Map.groupBy(rows, (row) => integer(row, "id")).values()].map((group) => {
    const [first = {}] = group;
    return {
      volume: {
        pool: text(first, "pool"),
        project: text(first, "project"),
        name: text(first, "instance"),
        type: "container",
      },
      names: group.map((row) => text(row, "name")),
    };
  });
}

/** Give those volumes their records back, with the configuration that the volume has now. */
export async function repairVolumeSnapshots(tx: Tx): Promise<void> {
  for (const { volume, names } of await missingVolumeSnapshots(tx)) {
    const id = await volumeId(tx, volume);
    const config = await readConfig(tx, "storage_volumes", id);
    for (const name of names) {
      const description = "Auto repaired";
      await insertVolumeSnapshot(tx, id, { name, description, expiresAt: "", config });
    }
  }
}
