/**
 * backup/index.yaml at the head of a backup, in LXD's format. Read with suspicion: every field of an
 * archive from elsewhere is looked at before anything is made of it. Pure.
 */
import { parseYaml } from "#api/yaml.ts";
import { Fault } from "#base/errors.ts";
import { wireTime } from "#base/time.ts";

type Config = Readonly<Record<string, string>>;
type Devices = Readonly<Record<string, Config>>;

export interface SavedSnapshot {
  readonly name: string;
  readonly createdAt: string;
  /** "" : never. */
  readonly expiresAt: string;
  readonly profiles: readonly string[];
  readonly isEphemeral: boolean;
  readonly config: Config;
  readonly devices: Devices;
}

export interface SavedInstance {
  readonly architecture: string;
  readonly description: string;
  readonly isEphemeral: boolean;
  readonly createdAt: string;
  readonly profiles: readonly string[];
  readonly config: Config;
  readonly devices: Devices;
}

export interface SavedVolume {
  readonly description: string;
  readonly contentType: "filesystem" | "block";
  readonly config: Config;
}

export interface SavedVolumeSnapshot {
  readonly name: string;
  readonly description: string;
  readonly expiresAt: string;
  readonly config: Config;
}

export interface SavedPool {
  readonly name: string;
  readonly driver: string;
  readonly description: string;
  readonly config: Config;
}

/** The part that backup.yaml beside a root has too. */
export interface SavedConfig {
  readonly instance: SavedInstance | undefined;
  /** Oldest first. */
  readonly snapshots: readonly SavedSnapshot[];
  readonly pool: SavedPool | undefined;
  readonly volume: SavedVolume | undefined;
  readonly volumeSnapshots: readonly SavedVolumeSnapshot[];
  readonly name: string;
  readonly project: string;
}

export interface BackupIndex {
  readonly name: string;
  readonly pool: string;
  readonly type: "container" | "custom";
  /** Names, oldest first. */
  readonly snapshots: readonly string[];
  readonly saved: SavedConfig;
  /** Storage driver whose format it is in; undefined: files that any can take. */
  readonly optimizedFor: string | undefined;
}

const NAME = /^[^/\0\s]{1,255}$/;

/** @throws {Fault} bad_request for anything but an index that this server can import. */
export function parseIndex(text: string): BackupIndex {
  const root = mapOf(parse(text), "index.yaml");
  const type = textOf(root["type"]) || "container";
  if (type !== "container" && type !== "custom") {
    throw broken(`backups of type "${type}" are not supported`, "This server runs containers.");
  }
  const name = nameOf(root["name"]);
  const snapshots = listOf(root["snapshots"]).map(nameOf);
  return {
    name,
    pool: textOf(root["pool"]),
    type,
    snapshots,
    saved: savedConfig(root["config"]),
    optimizedFor: isTrue(root["optimized"]) ? textOf(root["backend"]) : undefined,
  };
}

/** The content of backup.yaml. @throws {Fault} bad_request */
export function parseBackupYaml(text: string): SavedConfig {
  return savedConfig(parse(text));
}

function parse(text: string): unknown {
  try {
    return parseYaml(text);
  } catch (error) {
    throw new Fault("bad_request", "invalid backup: its description is not YAML", { cause: error });
  }
}

function savedConfig(value: unknown): SavedConfig {
  const config = mapOf(value ?? {}, "config");
  const [instance, volume, pool] = [
    firstOf(config["container"], config["instance"]),
    firstOf(config["volume"]),
    firstOf(config["pool"]),
  ];
  const owner = mapOf(instance ?? volume ?? {}, "config");
  return {
    instance: instance === undefined ? undefined : savedInstance(mapOf(instance, "container")),
    snapshots: listOf(config["snapshots"]).map((one) => savedSnapshot(mapOf(one, "snapshots"))),
    pool: pool === undefined ? undefined : savedPool(mapOf(pool, "pool")),
    volume: volume === undefined ? undefined : savedVolume(mapOf(volume, "volume")),
    volumeSnapshots: listOf(config["volume_snapshots"]).map((one) =>
      savedVolumeSnapshot(mapOf(one, "volume_snapshots"))
    ),
    name: textOf(owner["name"]),
    project: textOf(owner["project"]) || "default",
  };
}

function savedInstance(map: Fields): SavedInstance {
  return {
    architecture: textOf(map["architecture"]),
    description: textOf(map["description"]),
    isEphemeral: isTrue(map["ephemeral"]),
    createdAt: timeOf(map["created_at"]) || new Date().toISOString(),
    profiles: listOf(map["profiles"]).map(textOf),
    config: configOf(map["config"]),
    devices: devicesOf(map["devices"]),
  };
}

function savedSnapshot(map: Fields): SavedSnapshot {
  return {
    name: nameOf(map["name"]).split("/").at(-1) ?? "",
    createdAt: timeOf(map["created_at"]) || new Date().toISOString(),
    expiresAt: timeOf(map["expires_at"]),
    profiles: listOf(map["profiles"]).map(textOf),
    isEphemeral: isTrue(map["ephemeral"]),
    config: configOf(map["config"]),
    devices: devicesOf(map["devices"]),
  };
}

function savedVolume(map: Fields): SavedVolume {
  return {
    description: textOf(map["description"]),
    contentType: textOf(map["content_type"]) === "block" ? "block" : "filesystem",
    config: configOf(map["config"]),
  };
}

function savedVolumeSnapshot(map: Fields): SavedVolumeSnapshot {
  return {
    name: nameOf(map["name"]),
    description: textOf(map["description"]),
    expiresAt: timeOf(map["expires_at"]),
    config: configOf(map["config"]),
  };
}

function savedPool(map: Fields): SavedPool {
  return {
    name: textOf(map["name"]),
    driver: textOf(map["driver"]),
    description: textOf(map["description"]),
    config: configOf(map["config"]),
  };
}

// Values of YAML, each scalar a text.

type Fields = Readonly<Record<string, unknown>>;

const isTrue = (value: unknown) => value === "true";

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === "" || value === "null";
}

/** The first that is there. */
function firstOf(...values: readonly unknown[]): unknown {
  return values.find((value) => !isEmpty(value));
}

function textOf(value: unknown): string {
  if (value === undefined || value === null || value === "null") return "";
  if (typeof value !== "string") throw broken("a field of its description is not a text");
  return value;
}

function nameOf(value: unknown): string {
  const name = textOf(value);
  if (!NAME.test(name) || name === "." || name === "..") throw broken(`"${name}" is not a name`);
  return name;
}

/** Go's zero time is none. */
function timeOf(value: unknown): string {
  const text = textOf(value);
  if (text === "" || text.startsWith("0001-01-01")) return "";
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw broken(`"${text}" is not a time`);
  return wireTime(new Date(time));
}

function mapOf(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw broken(`${what} is not a map`);
  }
  return value as Fields;
}

function listOf(value: unknown): readonly unknown[] {
  if (isEmpty(value)) return [];
  if (!Array.isArray(value)) throw broken("a field of its description is not a list");
  return value;
}

function configOf(value: unknown): Config {
  if (isEmpty(value)) return {};
  const entries = Object.entries(mapOf(value, "config"));
  return Object.fromEntries(entries.map(([key, one]) => [key, textOf(one)]));
}

function devicesOf(value: unknown): Devices {
  if (isEmpty(value)) return {};
  const entries = Object.entries(mapOf(value, "devices"));
  return Object.fromEntries(entries.map(([key, one]) => [key, configOf(one)]));
}

function broken(why: string, hint?: string): Fault {
  return new Fault("bad_request", `invalid backup: ${why}`, hint === undefined ? {} : { hint });
}
