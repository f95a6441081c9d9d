/** Networks in the database. */
import { Fault } from "#base/errors.ts";
import { NETWORK_TYPES, type NetworkType } from "#api/config/network_keys.ts";
import { type Config, readAllConfig, writeConfig } from "./config.ts";
import { integer, text, type Tx } from "./db.ts";

export interface NetworkRow {
  readonly id: number;
  readonly projectId: number;
  readonly project: string;
  readonly name: string;
  readonly description: string;
  readonly type: NetworkType;
  readonly config: Config;
}

/** Of one project, or of all; by name. */
export async function listNetworks(tx: Tx, projectId?: number): Promise<NetworkRow[]> {
  const rows = await tx.all(
    "SELECT n.id, n.name, n.description, n.type, n.project_id, p.name AS project FROM networks n " +
      "JOIN projects p ON p.id = n.project_id WHERE ?1 IS NULL OR n.project_id = ?1 ORDER BY n.name",
    projectId ?? null,
  );
  const config = await readAllConfig(tx, "networks");
  return rows.map((row) => ({
    id: integer(row, "id"),
    projectId: integer(row, "project_id"),
    project: text(row, "project"),
    name: text(row, "name"),
    description: text(row, "description"),
    type: NETWORK_TYPES[integer(row, "type")] ?? "bridge",
    config: config.get(integer(row, "id")) ?? {},
  }));
}

/** @throws {Fault} not_found */
export async function getNetwork(tx: Tx, projectId: number, name: string): Promise<NetworkRow> {
  const found = (await listNetworks(tx, projectId)).find((one) => one.name === name);
  if (found === undefined) throw new Fault("not_found", "Network not found");
  return found;
}

/** @throws {Fault} conflict if the project has one of that name. */
export async function insertNetwork(
  tx: Tx,
  network: Pick<NetworkRow, "projectId" | "name" | "description" | "type" | "config">,
): Promise<void> {
  const { lastId } = await tx.run(
    "INSERT INTO networks (name, description, state, type, project_id) VALUES (?, ?, 1, ?, ?)",
    network.name,
    network.description,
    NETWORK_TYPES.indexOf(network.type),
    network.projectId,
  );
  await tx.run("INSERT INTO networks_nodes (network_id, node_id, state) VALUES (?, 1, 1)", lastId);
  await writeConfig(tx, "networks", lastId, network.config);
}
