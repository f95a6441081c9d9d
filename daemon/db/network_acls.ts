/** Network ACLs in the database. */
import type { AclRow, AclRule } from "#api/config/network_acl.ts";
import { Fault } from "#base/errors.ts";
import { readAllConfig, writeConfig } from "./config.ts";
import { integer, text, type Tx } from "./db.ts";

/** Of one project, by name. */
export async function listAcls(tx: Tx, projectId: number): Promise<AclRow[]> {
  const rows = await tx.all(
    "SELECT id, name, description, ingress, egress FROM networks_acls WHERE project_id = ? " +
      "ORDER BY name",
    projectId,
  );
  const config = await readAllConfig(tx, "networks_acls");
  return rows.map((row) => ({
    id: integer(row, "id"),
    name: text(row, "name"),
    description: text(row, "description"),
    ingress: parseRules(text(row, "ingress")),
    egress: parseRules(text(row, "egress")),
    config: config.get(integer(row, "id")) ?? {},
  }));
}

/** Written by `insertAcl` and `updateAcl` only. */
function parseRules(json: string): AclRule[] {
  return json === "" ? [] : JSON.parse(json) ?? [];
}

/** @throws {Fault} not_found */
export async function getAcl(tx: Tx, projectId: number, name: string): Promise<AclRow> {
  const found = (await listAcls(tx, projectId)).find((one) => one.name === name);
  if (found === undefined) throw new Fault("not_found", "Network ACL not found");
  return found;
}

/** @throws {Fault} conflict if the project has one of that name. */
export async function insertAcl(
  tx: Tx,
  projectId: number,
  acl: Omit<AclRow, "id">,
): Promise<void> {
  const { lastId } = await tx.run(
    "INSERT INTO networks_acls (name, description, ingress, egress, project_id) " +
      "VALUES (?, ?, ?, ?, ?)",
    acl.name,
    acl.description,
    JSON.stringify(acl.ingress),
    JSON.stringify(acl.egress),
    projectId,
  );
  await writeConfig(tx, "networks_acls", lastId, acl.config);
}

/** All of it, also its name. @throws {Fault} conflict if that is taken. */
export async function updateAcl(tx: Tx, acl: AclRow): Promise<void> {
  await tx.run(
    "UPDATE networks_acls SET name = ?, description = ?, ingress = ?, egress = ? WHERE id = ?",
    acl.name,
    acl.description,
    JSON.stringify(acl.ingress),
    JSON.stringify(acl.egress),
    acl.id,
  );
  await writeConfig(tx, "networks_acls", acl.id, acl.config);
}

/** Its config goes with it; who uses it is for the caller to check. */
export async function deleteAcl(tx: Tx, id: number): Promise<void> {
  await tx.run("DELETE FROM networks_acls WHERE id = ?", id);
}
