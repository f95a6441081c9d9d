/** Projects, and in which project a resource of a project lives (features.*). */
import { Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import { readConfig } from "./config.ts";
import { integer, text, type Tx } from "./db.ts";

export type Feature = "images" | "profiles" | "networks" | "storage.volumes";

export interface Project {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly config: Readonly<Record<string, string>>;
}

/** @throws {Fault} not_found */
export async function getProject(tx: Tx, name: string): Promise<Project> {
  const row = await tx.get("SELECT id, name, description FROM projects WHERE name = ?", name);
  if (row === undefined) throw new Fault("not_found", `Project "${name}" not found`);
  return await toProject(tx, integer(row, "id"), name, text(row, "description"));
}

/** By name, each with its own config. */
export async function listProjects(tx: Tx): Promise<Project[]> {
  const rows = await tx.all("SELECT id, name, description FROM projects ORDER BY name");
  return await Promise.all(
    rows.map((row) =>
      toProject(tx, integer(row, "id"), text(row, "name"), text(row, "description"))
    ),
  );
}

async function toProject(tx: Tx, id: number, name: string, description: string): Promise<Project> {
  return { id, name, description, config: await readConfig(tx, "projects", id) };
}

/** The project that holds the resources of this kind for `name`: itself, or "default". */
export async function effectiveProject(tx: Tx, name: string, feature: Feature): Promise<Project> {
  const project = await getProject(tx, name);
  if (name === "default" || isTrue(project.config[`features.${feature}`])) return project;
  return await getProject(tx, "default");
}

/** @throws a bug if there is none: rows of a project go with it. */
export async function projectName(tx: Tx, id: number): Promise<string> {
  const row = await tx.get("SELECT name FROM projects WHERE id = ?", id);
  if (row === undefined) throw new Error(`bug: no project ${id}`);
  return text(row, "name");
}
