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

/**
 * @param config Content of a backup.yaml, or the part of it that is there.
 * @param contentBytes What the present state takes at least. LXD's decoder does not know it, and skips it.
 */
export function encodeIndex(
  config: Readonly<Record<string, unknown>>,
  contentBytes: number,
): string {
  const fields = Object.entries(config).map(([name, value]) => [NAMES[name] ?? name, value]);
  return JSON.stringify({ config: Object.fromEntries(fields), content_bytes: contentBytes });
}

/** 0: the sender does not say. */
export function contentBytesOf(text: string): number {
  const value = parseYaml(text);
  const bytes = typeof value === "object" && value !== null && "content_bytes" in value
    ? Number(value.content_bytes)
    : 0;
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : 0;
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
