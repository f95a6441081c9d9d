/** A copy of an instance or snapshot, on the same server or another one. */
import type { Client } from "#api/client.ts";
import { UsageError } from "#cli/command.ts";
import { type Context, path, type Resource } from "#cli/context.ts";
import { parseInstance } from "#cli/instance_name.ts";
import { parsePairs } from "#cli/keys.ts";
import { migrate } from "./migrate.ts";
import { applyOverrides, type Devices, parseOverrides } from "#cli/commands/create/body.ts";

/** Flags that copy and move share. */
export const TRANSFER_FLAGS = {
  "allow-inconsistent": { kind: "bool", summary: "Ignore copy errors for volatile files" },
  config: { kind: "list", short: "c", summary: "Config key/value to apply to the new instance" },
  device: { kind: "list", short: "d", summary: "New key/value to apply to a specific device" },
  "instance-only": { kind: "bool", summary: "Copy the instance without its snapshots" },
  mode: {
    kind: "string",
    default: "pull",
    summary: "Transfer mode. One of pull, push or relay",
  },
  "no-profiles": { kind: "bool", summary: "Create the instance with no profiles applied" },
  profile: { kind: "list", short: "p", summary: "Profile to apply to the new instance" },
  stateless: { kind: "bool", summary: "Copy a stateful instance stateless" },
  storage: { kind: "string", short: "s", summary: "Storage pool name" },
  target: { kind: "string", summary: "Cluster member name" },
  "target-project": { kind: "string", summary: "Copy to a project different from the source" },
} as const;

export interface TransferFlags {
  readonly "allow-inconsistent": boolean;
  readonly config: readonly string[];
  readonly device: readonly string[];
  readonly "instance-only": boolean;
  readonly mode: string;
  readonly "no-profiles": boolean;
  readonly profile: readonly string[];
  readonly stateless: boolean;
  readonly storage: string;
  readonly target: string;
  readonly "target-project": string;
}

export interface Transfer {
  readonly source: Resource;
  readonly target: Resource;
  readonly flags: TransferFlags;
  /** undefined: as the source is. */
  readonly ephemeral?: boolean;
  readonly refresh?: boolean;
  /** A move keeps addresses and ids, a copy gets new ones. */
  readonly keepsVolatile?: boolean;
}

interface SourceInstance {
  readonly architecture: string;
  readonly config: Record<string, string> | null;
  readonly description?: string;
  readonly devices: Devices | null;
  readonly expanded_devices: Devices | null;
  readonly ephemeral: boolean;
  readonly profiles: readonly string[] | null;
  readonly stateful: boolean;
  readonly type?: string;
}

/** What the new instance is, before it is said where its files come from. */
interface NewInstance {
  readonly architecture: string;
  readonly config: Record<string, string>;
  readonly devices: Devices;
  readonly ephemeral: boolean;
  readonly profiles: readonly string[];
  readonly stateful: boolean;
  readonly description: string;
  readonly type: string;
}

const MODES = ["pull", "push", "relay"];

/** @throws {ClientError}, {UsageError} */
export async function transfer(context: Context, wish: Transfer): Promise<void> {
  const { source, target, flags } = wish;
  if (!MODES.includes(flags.mode)) throw new UsageError(`Invalid transfer mode: ${flags.mode}`);
  const { instance, snapshot, url: sourceUrl } = parseInstance(source.name);
  if (snapshot !== undefined && flags["instance-only"]) {
    throw new UsageError("--instance-only can't be passed when the source is a snapshot");
  }
  if (snapshot !== undefined && wish.refresh) {
    throw new UsageError("--refresh can only be used with instances");
  }
  const found = await source.client.get<SourceInstance>(sourceUrl);
  const wanted = plan(found, wish);
  const client = clientOf(target, flags);
  const name = target.name || instance;
  const body = { ...wanted, name };
  if (source.remote === target.remote) {
    await context.operate(client, "POST", "/1.0/instances", {
      title: "Transferring instance",
      json: { ...body, source: localSource(context, wish, found) },
    });
  } else {
    const ends = { from: source, to: { ...target, client }, url: sourceUrl };
    const live = !flags.stateless && found.stateful;
    const shared = {
      live,
      instance_only: flags["instance-only"],
      allow_inconsistent: flags["allow-inconsistent"],
    };
    await migrate(context, ends, {
      mode: flags.mode,
      collection: "/1.0/instances",
      body,
      sending: snapshot === undefined ? shared : { live, name },
      receiving: {
        ...shared,
        "base-image": found.config?.["volatile.base_image"],
        refresh: wish.refresh ?? false,
      },
      title: "Transferring instance",
    });
  }
  if (wish.refresh) await putConfig(context, client, { name, wanted });
}

function clientOf({ client }: Resource, flags: TransferFlags): Client {
  const project = flags["target-project"] || client.project;
  return client.inProject(project).onTarget(flags.target);
}

/** Pure. */
function plan(found: SourceInstance, wish: Transfer): NewInstance {
  const { flags } = wish;
  const keeps = wish.keepsVolatile || wish.refresh;
  const config = Object.fromEntries(
    Object.entries(found.config ?? {})
      .filter(([key]) => keeps || !key.startsWith("volatile.") || key === "volatile.base_image"),
  );
  const devices = { ...found.devices };
  const inherited = found.expanded_devices ?? {};
  if (flags.storage !== "") {
    const entries = Object.entries({ ...inherited, ...devices });
    const [root, keys] = entries.find(([, one]) => one.type === "disk" && one.path === "/") ??
      ["root", { type: "disk", path: "/" }];
    devices[root] = { ...keys, pool: flags.storage };
  }
  applyOverrides(devices, parseOverrides(flags.device), inherited);
  const profiles = flags.profile.length > 0 ? flags.profile : found.profiles ?? [];
  return {
    architecture: found.architecture,
    config: { ...config, ...parsePairs(flags.config) },
    devices,
    ephemeral: wish.ephemeral ?? found.ephemeral,
    profiles: flags["no-profiles"] ? [] : profiles,
    stateful: found.stateful && !flags.stateless,
    description: found.description ?? "",
    type: found.type ?? "container",
  };
}

/** On one server: the server copies. */
function localSource(
  context: Context,
  { source, flags, refresh }: Transfer,
  found: SourceInstance,
) {
  const toProject = flags["target-project"] !== "";
  const project = source.client.project ?? context.projectOf(context.remote(source.remote));
  return {
    type: "copy",
    "base-image": found.config?.["volatile.base_image"],
    source: source.name,
    project: toProject ? project ?? "default" : undefined,
    allow_inconsistent: flags["allow-inconsistent"],
    instance_only: flags["instance-only"],
    refresh: refresh ?? false,
  };
}

/** A refresh takes over files and snapshots only: the rest is set afterwards. */
async function putConfig(
  context: Context,
  client: Client,
  { name, wanted }: { name: string; wanted: NewInstance },
): Promise<void> {
  const url = path("instances", name);
  const { metadata, etag } = await client.send<SourceInstance>("GET", url);
  const ids = Object.entries(metadata.config ?? {}).filter(([key]) => key.startsWith("volatile."));
  const plain = Object.entries(wanted.config).filter(([key]) => !key.startsWith("volatile."));
  const config = Object.fromEntries([...plain, ...ids]);
  const { type: _, ...fields } = wanted;
  const devices = withRootPoolOf(metadata.devices ?? {}, wanted.devices);
  await context.operate(client, "PUT", url, { json: { ...fields, devices, config }, etag });
}

/** A copy stays on its storage pool when it is brought up to date. Pure. */
export function withRootPoolOf(target: Devices, wanted: Devices): Devices {
  const isRoot = (device: Devices[string] | undefined) =>
    device?.["type"] === "disk" && device["path"] === "/";
  return Object.fromEntries(
    Object.entries(wanted).map(([name, device]) => {
      const pool = target[name]?.["pool"];
      const stays = isRoot(device) && isRoot(target[name]) && pool !== undefined;
      return [name, stays ? { ...device, pool } : device];
    }),
  );
}
