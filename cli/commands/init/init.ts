/** lxd init: the first configuration of a server, asked for, automatic, or given as YAML. */
import type { Client } from "#api/client.ts";
import { type Command, command, type FlagSpecs, UsageError } from "#cli/command.ts";
import { type Context, path } from "#cli/context.ts";
import { shape } from "#cli/output/shape.ts";
import { toYaml } from "#cli/output/yaml.ts";
import { readStdin } from "#cli/stdin.ts";
import { applyPreseed } from "./apply.ts";
import { terminalAsker } from "./asker.ts";
import { autoPreseed, missingBackends, type ServerFacts } from "./auto.ts";
import { parsePreseed, type Preseed } from "./preseed.ts";
import { interview } from "./questions.ts";

const AUTO_FLAGS = {
  "network-address": { kind: "string", summary: "Address to bind LXD to (default: none)" },
  "network-port": { kind: "int", default: -1, summary: "Port to bind LXD to (default: 8443)" },
  "storage-backend": {
    kind: "string",
    summary: "Storage backend to use (btrfs, dir, lvm or zfs, default: dir, or btrfs on a btrfs)",
  },
  "storage-create-device": { kind: "string", summary: "Setup device based storage using DEVICE" },
  "storage-create-loop": {
    kind: "int",
    default: -1,
    summary: "Setup loop based storage with SIZE in GB",
  },
  "storage-pool": { kind: "string", summary: "Storage pool to use or create" },
  "trust-password": { kind: "string", summary: "Password required to add new clients" },
} as const satisfies FlagSpecs;

const FLAGS = {
  auto: { kind: "bool", summary: "Automatic (non-interactive) mode" },
  dump: { kind: "bool", summary: "Dump YAML config to stdout" },
  minimal: { kind: "bool", summary: "Minimal configuration (non-interactive)" },
  preseed: { kind: "bool", summary: "Pre-seed mode, expects YAML config from stdin" },
  ...AUTO_FLAGS,
} as const satisfies FlagSpecs;

export const SERVER_INIT_COMMANDS: readonly Command[] = [
  command({
    name: "init",
    only: "lxd",
    usage: "",
    summary: "Configure the LXD daemon",
    examples: [
      { call: "lxd init --auto", what: "A storage pool of plain directories and a bridge" },
      { call: "lxd init --preseed < preseed.yaml", what: "What the file asks for" },
      { call: "lxd init --dump > preseed.yaml", what: "Write such a file" },
    ],
    flags: FLAGS,
    args: [0, 0],
    async run(context, _args, flags) {
      checkModes(flags);
      const client = context.client("local");
      if (flags.dump) return context.out.line(toYaml(await dump(client), shape("preseed")));
      await client.get("/1.0");
      await applyPreseed(client, await wantedState(context, client, flags));
    },
  }),
];

type InitFlags = Parameters<typeof autoPreseed>[0] & {
  readonly auto: boolean;
  readonly dump: boolean;
  readonly minimal: boolean;
  readonly preseed: boolean;
};

/** @throws for flags that do not go together. */
function checkModes(flags: InitFlags): void {
  const given = (Object.keys(AUTO_FLAGS) as (keyof typeof AUTO_FLAGS)[])
    .filter((name) => flags[name] !== "" && flags[name] !== -1);
  const { auto, dump, minimal, preseed } = flags;
  if (auto && preseed) throw new UsageError("Can't use --auto and --preseed together");
  if (minimal && preseed) throw new UsageError("Can't use --minimal and --preseed together");
  if (minimal && auto) throw new UsageError("Can't use --minimal and --auto together");
  if (!auto && given.length > 0) throw new UsageError("Configuration flags require --auto");
  if (dump && (auto || minimal || preseed)) {
    throw new UsageError("Can't use --dump with other flags");
  }
}

async function wantedState(
  context: Context,
  client: Client,
  flags: InitFlags,
): Promise<Preseed> {
  if (flags.preseed) {
    try {
      return parsePreseed(readStdin());
    } catch (error) {
      const reason = error instanceof Error ? error.message : error;
      throw new Error(`Failed to parse the preseed: ${reason}`, { cause: error });
    }
  }
  const facts = await readFacts(client);
  if (flags.auto || flags.minimal) return autoPreseed(flags, facts);
  const missing = missingBackends(facts.drivers);
  if (missing.length > 0) {
    context.out.say(`Storage backends that this server lacks: ${missing.join("; ")}`);
  }
  const { preseed, wantsText } = interview(terminalAsker(context), facts);
  if (wantsText) context.out.line(toYaml({ ...preseed, cluster: null }, shape("preseed")));
  return preseed;
}

interface Named {
  readonly name: string;
  readonly config?: Record<string, string>;
  readonly description?: string;
}

interface Network extends Named {
  readonly managed: boolean;
  readonly type: string;
}

interface Profile extends Named {
  readonly devices?: Record<string, Record<string, string>>;
}

interface Server {
  readonly config: Record<string, string>;
  readonly environment: {
    readonly storage_supported_drivers: readonly { readonly Name: string }[];
  };
}

async function readFacts(client: Client): Promise<ServerFacts> {
  const server = await client.get<Server>("/1.0");
  const networks = await client.get<Network[]>("/1.0/networks", { query: { recursion: 1 } });
  const pools = await client.get<Named[]>("/1.0/storage-pools", { query: { recursion: 1 } });
  const { devices } = await client.get<Profile>(path("profiles", "default"));
  const state = Deno.env.get("LXD_DIR") || "/var/lib/lxd";
  return {
    drivers: server.environment.storage_supported_drivers.map(({ Name }) => Name),
    pools: pools.map(({ name }) => name),
    networks: networks.filter(({ managed }) => managed).map(({ name }) => name),
    defaultHasNic: Object.values(devices ?? {}).some(({ type }) => type === "nic"),
    hasInterface,
    stateDirectory: state,
    ...fileSystemOf(state),
  };
}

function hasInterface(name: string): boolean {
  try {
    Deno.statSync(`/sys/class/net/${name}`);
    return true;
  } catch {
    return false; // Ignored: there is none.
  }
}

/** Type and size of a file system, by stat(1): the runtime has no statfs. */
function fileSystemOf(folder: string): { isOnBtrfs: boolean; diskBytes: number } {
  const { success, stdout } = new Deno.Command("stat", {
    args: ["-f", "-c", "%T %b %S", "--", folder],
    env: { LC_ALL: "C" },
    stderr: "null",
  }).outputSync();
  if (!success) return { isOnBtrfs: false, diskBytes: 0 };
  const [type, blocks, size] = new TextDecoder().decode(stdout).trim().split(" ");
  return { isOnBtrfs: type === "btrfs", diskBytes: Number(blocks) * Number(size) };
}

/** The state of the server as a preseed that would make it again. */
async function dump(client: Client): Promise<Preseed> {
  const all = <Thing extends Named>(kind: string, within = client) =>
    within.get<Thing[]>(path(kind), { query: { recursion: 1 } });
  const { config } = await client.get<Server>("/1.0");
  const projects = await all("projects");
  const networks = [];
  for (const { name: project, config: features } of projects) {
    if (features?.["features.networks"] === "false") continue;
    const own = await all<Network>("networks", client.inProject(project));
    networks.push(...own.filter(({ managed }) => managed).map((one) => ({ ...one, project })));
  }
  const [pools, profiles] = await Promise.all([
    all<Named & { driver: string }>("storage-pools"),
    all<Profile>("profiles"),
  ]);
  return {
    config,
    networks: networks.map(({ name, config, description, type, project }) => ({
      name,
      config,
      description,
      type,
      project,
    })),
    storage_pools: pools.map(({ name, config, description, driver }) => ({
      name,
      config,
      description,
      driver,
    })),
    profiles: profiles.map(({ name, config, description, devices }) => ({
      name,
      config,
      description,
      devices,
    })),
    projects: projects.map(({ name, config, description }) => ({ name, config, description })),
  };
}
