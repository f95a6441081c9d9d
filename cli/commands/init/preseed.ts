/** What `lxd init` brings about, as data: read from YAML, or made from answers. Pure. */
import { parseYaml } from "#api/yaml.ts";

export type Keys = Readonly<Record<string, string>>;

export interface PreseedNetwork {
  readonly config?: Keys;
  readonly description?: string;
  readonly name: string;
  readonly type?: string;
  readonly project?: string;
}

export interface PreseedPool {
  readonly config?: Keys;
  readonly description?: string;
  readonly name: string;
  readonly driver: string;
}

export interface PreseedProfile {
  readonly config?: Keys;
  readonly description?: string;
  readonly devices?: Readonly<Record<string, Keys>>;
  readonly name: string;
}

export interface PreseedProject {
  readonly config?: Keys;
  readonly description?: string;
  readonly name: string;
}

export interface Preseed {
  readonly config: Keys;
  readonly networks: readonly PreseedNetwork[];
  readonly storage_pools: readonly PreseedPool[];
  readonly profiles: readonly PreseedProfile[];
  readonly projects: readonly PreseedProject[];
}

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  networks: ["config", "description", "name", "type", "project", "managed"],
  storage_pools: ["config", "description", "name", "driver"],
  profiles: ["config", "description", "devices", "name"],
  projects: ["config", "description", "name"],
};

/**
 * The text given to `lxd init --preseed`. An empty one asks for nothing.
 * @throws naming the place of what is not understood, so that nothing is left out silently.
 */
export function parsePreseed(text: string): Preseed {
  const file = mapAt(parseYaml(text), "the preseed");
  const lists: Record<string, Record<string, unknown>[]> = {};
  for (const [key, value] of Object.entries(file)) {
    if (key === "config") continue;
    if (key === "cluster") {
      if (mapAt(value, "cluster").enabled === "true") {
        throw new Error("cannot configure a cluster: this server does not support clustering");
      }
      continue;
    }
    const fields = FIELDS[key];
    if (fields === undefined) throw new Error(`field ${key} not found`);
    lists[key] = listAt(value, key).map((item, index) => entry(item, `${key}[${index}]`, fields));
  }
  return {
    config: keysAt(file.config, "config"),
    networks: (lists.networks ?? []) as unknown as PreseedNetwork[],
    storage_pools: (lists.storage_pools ?? []) as unknown as PreseedPool[],
    profiles: (lists.profiles ?? []) as unknown as PreseedProfile[],
    projects: (lists.projects ?? []) as unknown as PreseedProject[],
  };
}

function entry(value: unknown, at: string, fields: readonly string[]): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(mapAt(value, at))) {
    const place = `${at}.${key}`;
    if (!fields.includes(key)) throw new Error(`field ${place} not found`);
    if (key === "config") out[key] = keysAt(item, place);
    else if (key === "devices") {
      const devices = Object.entries(mapAt(item, place));
      out[key] = Object.fromEntries(
        devices.map(([name, device]) => [name, keysAt(device, `${place}.${name}`)]),
      );
    } else if (key !== "managed") out[key] = textAt(item, place);
  }
  if (!out.name) throw new Error(`${at} has no name`);
  return out;
}

const isEmpty = (value: unknown) =>
  value === undefined || value === null || value === "" || value === "null" || value === "~";

function mapAt(value: unknown, at: string): Record<string, unknown> {
  if (isEmpty(value)) return {};
  if (typeof value !== "object" || Array.isArray(value)) throw new Error(`${at} must be a map`);
  return value as Record<string, unknown>;
}

function listAt(value: unknown, at: string): readonly unknown[] {
  if (isEmpty(value)) return [];
  if (!Array.isArray(value)) throw new Error(`${at} must be a list`);
  return value;
}

function textAt(value: unknown, at: string): string {
  if (isEmpty(value)) return "";
  if (typeof value !== "string") throw new Error(`${at} must be a text`);
  return value;
}

function keysAt(value: unknown, at: string): Record<string, string> {
  const entries = Object.entries(mapAt(value, at));
  return Object.fromEntries(entries.map(([key, item]) => [key, textAt(item, `${at}.${key}`)]));
}

/** The profile that makes instances use a pool and a network. */
export function defaultProfile(devices: Readonly<Record<string, Keys>>): PreseedProfile {
  return { config: {}, description: "", devices, name: "default" };
}

/** A device of a profile. */
export const rootDisk = (pool: string): Keys => ({ path: "/", pool, type: "disk" });
/** A device of a profile. */
export const nicOf = (network: string): Keys => ({ name: "eth0", network, type: "nic" });

/** `host:port` with the brackets that IPv6 needs. */
export function listenAddress(address: string, port: number): string {
  const bare = address.replace(/^\[(.*)\]$/, "$1");
  return `${bare.includes(":") ? `[${bare}]` : bare}:${port}`;
}
