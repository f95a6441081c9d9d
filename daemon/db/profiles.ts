/** Profiles in the database. */
import { Fault } from "#base/errors.ts";
import {
  type Config,
  type Devices,
  readAllConfig,
  readAllDevices,
  writeConfig,
  writeDevices,
} from "./config.ts";
import { integer, text, type Tx } from "./db.ts";

export interface Profile {
  readonly id: number;
  readonly project: string;
  readonly name: string;
  readonly description: string;
  readonly config: Config;
  readonly devices: Devices;
}

/** All profiles, or those of one project (already the effective one). */
export async function listProfiles(tx: Tx, project?: string): Promise<Profile[]> {
  const rows = await tx.all(
    "SELECT f.id, f.name, f.description, p.name AS project FROM profiles f " +
      "JOIN projects p ON p.id = f.project_id WHERE ?1 IS NULL OR p.name = ?1 ORDER BY f.name",
    project ?? null,
  );
  const [config, devices] = await Promise.all([
    readAllConfig(tx, "profiles"),
    readAllDevices(tx, "profiles"),
  ]);
  return rows.map((row) => {
    const id = integer(row, "id");
    return {
      id,
      project: text(row, "project"),
      name: text(row, "name"),
      description: text(row, "description"),
      config: config.get(id) ?? {},
      devices: devices.get(id) ?? {},
    };
  });
}

/** @throws {Fault} not_found */
export async function getProfile(tx: Tx, project: string, name: string): Promise<Profile> {
  const found = (await listProfiles(tx, project)).find((one) => one.name === name);
  if (found === undefined) throw new Fault("not_found", `Profile "${name}" not found`);
  return found;
}

/** @throws {Fault} conflict, in LXD's words, if the project has one of that name. */
export async function insertProfile(
  tx: Tx,
  projectId: number,
  profile: Pick<Profile, "name" | "description" | "config" | "devices">,
): Promise<void> {
  const taken = await tx.get(
    "SELECT 1 FROM profiles WHERE project_id = ? AND name = ?",
    projectId,
    profile.name,
  );
  if (taken !== undefined) {
    throw new Fault(
      "conflict",
      `Error inserting "${profile.name}" into database: The profile already exists`,
    );
  }
  const { lastId } = await tx.run(
    "INSERT INTO profiles (name, description, project_id) VALUES (?, ?, ?)",
    profile.name,
    profile.description,
    projectId,
  );
  await writeConfig(tx, "profiles", lastId, profile.config);
  await writeDevices(tx, "profiles", lastId, profile.devices);
}

/** All but the name; instances that have it are for the caller to update. */
export async function updateProfile(
  tx: Tx,
  id: number,
  next: Pick<Profile, "description" | "config" | "devices">,
): Promise<void> {
  await tx.run("UPDATE profiles SET description = ? WHERE id = ?", next.description, id);
  await writeConfig(tx, "profiles", id, next.config);
  await writeDevices(tx, "profiles", id, next.devices);
}
