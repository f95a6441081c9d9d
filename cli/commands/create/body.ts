/** What `launch` and `init` ask for, as the body of POST /1.0/instances. */
import { type Client, ClientError } from "#api/client.ts";
import { coerce } from "#cli/coerce.ts";
import { ForWhole, UsageError } from "#cli/command.ts";
import { type Context, path } from "#cli/context.ts";
import { readStdin } from "#cli/stdin.ts";

export type Devices = Record<string, Record<string, string>>;

/** A configuration given as YAML on stdin. */
export interface Given {
  readonly architecture?: string;
  readonly config?: Record<string, string>;
  readonly devices?: Devices;
  readonly ephemeral?: boolean;
  readonly profiles?: readonly string[];
  readonly description?: string;
}

export interface CreateFlags {
  readonly config: readonly string[];
  readonly device: readonly string[];
  readonly ephemeral: boolean;
  readonly network: string;
  readonly "no-profiles": boolean;
  readonly profile: readonly string[];
  readonly storage: string;
  readonly type: string;
}

export interface Wanted {
  readonly name: string;
  readonly flags: CreateFlags;
  readonly given: Given;
}

/** YAML from a pipe; nothing if it is empty. @throws if it is no map. */
export function parseStdin({ program, parseYaml }: Context): Given {
  const text = program.stdin ?? readStdin();
  if (text.trim() === "") return {};
  if (parseYaml === undefined) throw new ForWhole(text);
  return givenOf(parseYaml(text));
}

/** @param yaml what was read from YAML. @throws if it is no map. */
export function givenOf(yaml: unknown): Given {
  const value = coerce(yaml ?? {});
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error("the configuration on standard input must be a YAML map");
  }
  return value;
}

/** All but the source and the type. Asks the server for what flags refer to. */
export async function instanceBody(client: Client, { name, flags, given }: Wanted) {
  const profiles = wantedProfiles(flags, given);
  const config = { ...given.config };
  for (const pair of flags.config) {
    const equals = pair.indexOf("=");
    if (equals < 0) throw new UsageError(`Bad key=value pair: ${pair}`);
    config[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  const devices: Devices = { ...given.devices };
  const overrides = parseOverrides(flags.device);
  if (flags.network !== "") devices.eth0 = await nicOf(client, flags.network);
  if (flags.storage !== "") devices.root = await rootOf(client, flags.storage);
  if (overrides.size > 0) {
    applyOverrides(devices, overrides, await profileDevices(client, profiles));
  }
  return {
    architecture: given.architecture ?? "",
    config,
    devices,
    ephemeral: flags.ephemeral || (given.ephemeral ?? false),
    profiles,
    stateful: false,
    description: given.description ?? "",
    name,
    instance_type: flags.type,
  };
}

/** null: the server's default. */
function wantedProfiles(flags: CreateFlags, given: Given): readonly string[] | null {
  if (flags["no-profiles"]) return [];
  return flags.profile.length > 0 ? flags.profile : given.profiles ?? null;
}

type Overrides = ReadonlyMap<string, Record<string, string>>;

/** `-d device,key=value`, repeated. @throws {UsageError} */
export function parseOverrides(texts: readonly string[]): Overrides {
  const overrides = new Map<string, Record<string, string>>();
  for (const text of texts) {
    const comma = text.indexOf(",");
    const equals = text.indexOf("=", comma + 1);
    if (comma < 1 || equals < 0) {
      throw new UsageError(
        `Bad device override syntax, expecting <device>,<key>=<value>: ${text}`,
      );
    }
    const device = overrides.get(text.slice(0, comma)) ?? {};
    device[text.slice(comma + 1, equals)] = text.slice(equals + 1);
    overrides.set(text.slice(0, comma), device);
  }
  return overrides;
}

/** A device that comes from a profile is copied before it is changed. Changes `devices`. */
export function applyOverrides(devices: Devices, overrides: Overrides, inherited: Devices): void {
  for (const [name, keys] of overrides) {
    const base = devices[name] ?? inherited[name];
    if (base === undefined) {
      throw new UsageError(
        `Cannot override config for device "${name}": Device not found in profile devices`,
      );
    }
    devices[name] = { ...base, ...keys };
  }
}

async function profileDevices(
  client: Client,
  profiles: readonly string[] | null,
): Promise<Devices> {
  const all: Devices = {};
  for (const name of profiles ?? ["default"]) {
    const url = path("profiles", name);
    const { devices } = await loaded(client.get<{ devices: Devices }>(url), `profile "${name}"`);
    Object.assign(all, devices);
  }
  return all;
}

interface Network {
  readonly name: string;
  readonly managed: boolean;
  readonly type: string;
}

async function nicOf(client: Client, name: string): Promise<Record<string, string>> {
  const found = await loaded(client.get<Network>(path("networks", name)), `network "${name}"`);
  if (found.managed) return { name: "eth0", network: found.name, type: "nic" };
  const nictype = found.type === "bridge" ? "bridged" : "macvlan";
  return { name: "eth0", nictype, parent: name, type: "nic" };
}

async function rootOf(client: Client, pool: string): Promise<Record<string, string>> {
  await loaded(client.get(path("storage-pools", pool)), `storage pool "${pool}"`);
  return { path: "/", pool, type: "disk" };
}

async function loaded<T>(request: Promise<T>, what: string): Promise<T> {
  try {
    return await request;
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    throw new ClientError(error.status, `Failed loading ${what}: ${error.message}`, {
      cause: error,
    });
  }
}
