/** What a project holds, as far as its limits and restrictions look at it. */
import { isTrue, parseBytes } from "#base/units.ts";
import { integer, text, type Tx } from "#daemon/db/db.ts";
import { listInstances } from "#daemon/db/instances.ts";
import { listProfiles } from "#daemon/db/profiles.ts";
import { getProject, type Project } from "#daemon/db/projects.ts";

type Config = Readonly<Record<string, string>>;
type Devices = Readonly<Record<string, Config>>;

/** An instance with its profiles merged, or a profile. */
export interface Configured {
  readonly name: string;
  readonly config: Config;
  readonly devices: Devices;
}

export interface ProjectContent {
  readonly project: Pick<Project, "name" | "config">;
  readonly instances: readonly Configured[];
  readonly profiles: readonly Configured[];
  /** Custom volumes; undefined size: none was set. */
  readonly volumes: readonly { readonly name: string; readonly size: number | undefined }[];
  readonly networks: number;
  readonly imageBytes: number;
}

/** Is there anything to look at? Pure. */
export function isLimited({ config }: Pick<Project, "config">): boolean {
  return isTrue(config["restricted"]) ||
    Object.keys(config).some((key) => key.startsWith("limits."));
}

/** Within the transaction of the change that it is to judge. @throws {Fault} not_found */
export async function loadContent(tx: Tx, name: string): Promise<ProjectContent> {
  const project = await getProject(tx, name);
  const instances = await listInstances(tx, name);
  const profiles = isTrue(project.config["features.profiles"]) ? await listProfiles(tx, name) : [];
  return {
    project,
    instances: instances.map(({ name, expandedConfig, expandedDevices }) => ({
      name,
      config: expandedConfig,
      devices: expandedDevices,
    })),
    profiles: profiles.map(({ name, config, devices }) => ({ name, config, devices })),
    volumes: await loadVolumes(tx, project.id),
    networks: await numberOf(
      tx,
      "SELECT count(*) AS n FROM networks WHERE project_id = ?",
      project.id,
    ),
    imageBytes: await numberOf(
      tx,
      "SELECT coalesce(sum(size), 0) AS n FROM images WHERE project_id = ?",
      project.id,
    ),
  };
}

async function loadVolumes(tx: Tx, projectId: number) {
  const rows = await tx.all(
    "SELECT v.name, c.value AS size FROM storage_volumes v LEFT JOIN storage_volumes_config c " +
      "ON c.storage_volume_id = v.id AND c.key = 'size' WHERE v.project_id = ? AND v.type = 2",
    projectId,
  );
  return rows.map((row) => ({
    name: text(row, "name"),
    size: text(row, "size") === "" ? undefined : parseBytes(text(row, "size")),
  }));
}

async function numberOf(tx: Tx, sql: string, projectId: number): Promise<number> {
  const row = await tx.get(sql, projectId);
  return row === undefined ? 0 : integer(row, "n");
}
