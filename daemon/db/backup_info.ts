/** What backup.yaml says of the pool and the volume of an instance. */
import { readConfig } from "./config.ts";
import { integer, text, type Tx } from "./db.ts";

export interface PoolInfo {
  readonly name: string;
  readonly driver: string;
  readonly description: string;
  readonly config: Readonly<Record<string, string>>;
}

/** undefined if there is no such pool. */
export async function poolInfo(tx: Tx, name: string): Promise<PoolInfo | undefined> {
  const row = await tx.get(
    "SELECT id, driver, description FROM storage_pools WHERE name = ?",
    name,
  );
  if (row === undefined) return undefined;
  const config = await readConfig(tx, "storage_pools", integer(row, "id"));
  return { name, driver: text(row, "driver"), description: text(row, "description"), config };
}

export interface VolumeInfo {
  readonly description: string;
  readonly config: Readonly<Record<string, string>>;
}

/** The root volume of an instance (type 0). */
export async function volumeInfo(
  tx: Tx,
  volume: { readonly pool: string; readonly project: string; readonly name: string },
): Promise<VolumeInfo> {
  const row = await tx.get(
    `SELECT v.id, v.description FROM storage_volumes v
       JOIN storage_pools p ON p.id = v.storage_pool_id JOIN projects o ON o.id = v.project_id
       WHERE p.name = ? AND o.name = ? AND v.name = ? AND v.type = 0`,
    volume.pool,
    volume.project,
    volume.name,
  );
  if (row === undefined) return { description: "", config: {} };
  return {
    description: text(row, "description"),
    config: await readConfig(tx, "storage_volumes", integer(row, "id")),
  };
}
