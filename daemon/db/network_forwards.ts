/** Network forwards in the database. */
import type { Forward, ForwardPort } from "#api/config/network_forward.ts";
import { Fault } from "#base/errors.ts";
import { readAllConfig, writeConfig } from "./config.ts";
import { integer, text, type Tx } from "./db.ts";

export interface ForwardRow extends Forward {
  readonly id: number;
  readonly networkId: number;
}

/** Of one network, or of all. */
export async function listForwards(tx: Tx, networkId?: number): Promise<ForwardRow[]> {
  const rows = await tx.all(
    "SELECT id, network_id, listen_address, description, ports FROM networks_forwards " +
      "WHERE ?1 IS NULL OR network_id = ?1 ORDER BY listen_address",
    networkId ?? null,
  );
  const config = await readAllConfig(tx, "networks_forwards");
  return rows.map((row) => ({
    id: integer(row, "id"),
    networkId: integer(row, "network_id"),
    listen_address: text(row, "listen_address"),
    description: text(row, "description"),
    ports: parsePorts(text(row, "ports")),
    config: config.get(integer(row, "id")) ?? {},
  }));
}

/** Written by this file only. */
function parsePorts(json: string): ForwardPort[] {
  return json === "" ? [] : JSON.parse(json) ?? [];
}

/** @throws {Fault} not_found */
export async function getForward(tx: Tx, networkId: number, address: string): Promise<ForwardRow> {
  const found = (await listForwards(tx, networkId)).find((one) => one.listen_address === address);
  if (found === undefined) throw new Fault("not_found", "Network forward not found");
  return found;
}

/** @throws {Fault} conflict if the network has one of that address. */
export async function insertForward(tx: Tx, networkId: number, forward: Forward): Promise<void> {
  const { lastId } = await tx.run(
    "INSERT INTO networks_forwards (network_id, node_id, listen_address, description, ports) " +
      "VALUES (?, 1, ?, ?, ?)",
    networkId,
    forward.listen_address,
    forward.description,
    JSON.stringify(forward.ports),
  );
  await writeConfig(tx, "networks_forwards", lastId, forward.config);
}

/** All but the address, which says which one it is. */
export async function updateForward(tx: Tx, forward: ForwardRow): Promise<void> {
  await tx.run(
    "UPDATE networks_forwards SET description = ?, ports = ? WHERE id = ?",
    forward.description,
    JSON.stringify(forward.ports),
    forward.id,
  );
  await writeConfig(tx, "networks_forwards", forward.id, forward.config);
}

/** Its config goes with it. Absent is no error. */
export async function deleteForward(tx: Tx, id: number): Promise<void> {
  await tx.run("DELETE FROM networks_forwards WHERE id = ?", id);
}
