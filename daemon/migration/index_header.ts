/**
 * What the sender knows of volume and snapshots, as JSON. The fields have the names that LXD's encoder
 * gives them: those of its Go structure, not those of backup.yaml. Pure.
 */
import { parseYaml } from "#api/yaml.ts";
import { parseBackupYaml, type SavedConfig } from "#daemon/backups/index.ts";

/** Name in backup.yaml -> on the wire. */
const NAMES: Readonly<Record<string, string>> = {
  container: "Container",
  snapshots: "Snapshots",
  pool: "Pool",
  profiles: "Profiles",
  volume: "Volume",
  volume_snapshots: "VolumeSnapshots",
};

/** @param config Content of a backup.yaml, or the part of it that is there. */
export function encodeIndex(config: Readonly<Record<string, unknown>>): string {
  const fields = Object.entries(config).map(([name, value]) => [NAMES[name] ?? name, value]);
  return JSON.stringify({ config: Object.fromEntries(fields) });
}

/**
 * JSON is YAML: read with the same suspicion as a backup's description.
 *
 * @throws {Fault} bad_request
 */
export function decodeIndex(text: string): SavedConfig | undefined {
  const value = parseYaml(text);
  const config = typeof value === "object" && value !== null && "config" in value
    ? value.config
    : undefined;
  if (typeof config !== "object" || config === null) return undefined;
  const fields = config as Record<string, unknown>;
  const named = Object.entries(NAMES).map(([name, wire]) => [name, fields[wire] ?? fields[name]]);
  return parseBackupYaml(JSON.stringify(Object.fromEntries(named)));
}
