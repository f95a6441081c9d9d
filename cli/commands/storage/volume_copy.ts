/** storage volume copy and move: to another name, pool, project or server. */
import type { Client } from "#api/client.ts";
import { type Command, command, UsageError } from "#cli/command.ts";
import { type Context, path } from "#cli/context.ts";
import { NO_SLASHES, placeOf, splitPoolVolume, type VolumePlace } from "./volume_names.ts";
import { migrate } from "#cli/commands/copy/migrate.ts";

const PLACES = "[<remote>:]<pool>/<volume>";
const MODE = {
  kind: "string",
  default: "pull",
  summary: "Transfer mode. One of pull (default), push or relay.",
} as const;
const MEMBERS = {
  "destination-target": { kind: "string", summary: "Destination cluster member name" },
  target: { kind: "string", summary: "Cluster member name" },
} as const;

export const VOLUME_COPY_COMMANDS: readonly Command[] = [
  command({
    name: "storage volume copy",
    usage: `${PLACES}[/<snapshot>] ${PLACES}`,
    summary: "Copy storage volumes",
    aliases: ["cp"],
    flags: {
      ...MEMBERS,
      mode: MODE,
      refresh: {
        kind: "bool",
        summary: "Refresh and update the existing storage volume copies",
      },
      "target-project": { kind: "string", summary: "Copy to a project different from the source" },
      "volume-only": { kind: "bool", summary: "Copy the volume without its snapshots" },
    },
    args: [2, 2],
    run: (context, names, flags) =>
      copy(context, names, { ...flags, volumeOnly: flags["volume-only"] }),
  }),
  command({
    name: "storage volume move",
    usage: `${PLACES} ${PLACES}`,
    summary: "Move storage volumes between pools",
    aliases: ["mv"],
    flags: {
      ...MEMBERS,
      mode: MODE,
      "target-project": { kind: "string", summary: "Move to a project different from the source" },
    },
    args: [2, 2],
    run: (context, names, flags) => move(context, names, flags),
  }),
];

interface Flags {
  readonly mode: string;
  readonly target: string;
  readonly "destination-target": string;
  readonly "target-project": string;
}

interface Ends {
  readonly source: VolumePlace;
  readonly target: VolumePlace;
  readonly from: string;
  readonly to: string;
  readonly isLocal: boolean;
}

function endsOf(context: Context, [from = "", to = ""]: readonly string[], flags: Flags): Ends {
  if (!["pull", "push", "relay"].includes(flags.mode)) {
    throw new UsageError(`Invalid transfer mode: ${flags.mode}`);
  }
  const end = (label: string, member: string) => {
    const { pool, volume } = splitPoolVolume(label);
    return placeOf(context, [pool, volume], member);
  };
  const remoteOf = (label: string) => context.split(splitPoolVolume(label).pool).remote;
  if (!to.includes("/")) throw new Error("No storage pool for target volume specified");
  const target = end(to, flags["destination-target"]);
  if (target.volume.snapshot !== undefined) throw new Error(NO_SLASHES);
  const remotes = { from: remoteOf(from), to: remoteOf(to) };
  const isLocal = remotes.from === remotes.to;
  return { source: end(from, flags.target), target, ...remotes, isLocal };
}

async function copy(
  context: Context,
  names: readonly string[],
  flags: Flags & { readonly refresh: boolean; readonly volumeOnly: boolean },
): Promise<void> {
  const ends = endsOf(context, names, flags);
  const { name, snapshot } = ends.source.volume;
  await transfer(context, ends, {
    name: snapshot === undefined ? name : `${name}/${snapshot}`,
    volume_only: flags.volumeOnly,
    refresh: flags.refresh,
  }, flags);
  context.out.say("Storage volume copied successfully!");
}

async function transfer(
  context: Context,
  { source, target, from, to, isLocal }: Ends,
  wish: { readonly name: string; readonly volume_only: boolean; readonly refresh: boolean },
  flags: Flags,
): Promise<void> {
  const found = await source.client.get<Record<string, unknown>>(source.url);
  const project = flags["target-project"] || target.client.project;
  const client = target.client.inProject(project);
  const url = path("storage-pools", target.pool, "volumes", "custom");
  const contents = {
    name: target.volume.name,
    type: "custom",
    content_type: found.content_type,
    description: found.description,
    config: found.config,
  };
  if (isLocal) {
    const own = { type: "copy", pool: source.pool, ...wish };
    const there = flags["target-project"] === ""
      ? own
      : { ...own, project: source.client.project ?? "default" };
    const json = { ...contents, source: there };
    await context.operate(client, "POST", url, { title: "Copying the storage volume", json });
    return;
  }
  const { name, snapshot } = source.volume;
  if (snapshot !== undefined) await requireSnapshotCopy(source.client);
  const ends = {
    from: { client: source.client, remote: from, name: wish.name },
    to: { client, remote: to, name: target.volume.name },
    url: source.url,
  };
  await migrate(context, ends, {
    mode: flags.mode,
    collection: url,
    body: contents,
    sending: snapshot === undefined ? { name, volume_only: wish.volume_only } : { name: snapshot },
    receiving: { volume_only: wish.volume_only, refresh: wish.refresh, name: wish.name },
    title: "Copying the storage volume",
  });
}

/** Older servers would take the request for a rename. @throws where the server does not know it. */
async function requireSnapshotCopy(client: Client): Promise<void> {
  const { api_extensions } = await client.get<{ api_extensions: readonly string[] }>("/1.0");
  if (api_extensions.includes("storage_api_remote_volume_snapshot_copy")) return;
  throw new Error(
    "The source server can't send a snapshot of a volume: copy it to a volume there first",
  );
}

async function move(context: Context, names: readonly string[], flags: Flags): Promise<void> {
  const ends = endsOf(context, names, flags);
  const { source, target, isLocal } = ends;
  if (source.volume.snapshot !== undefined) {
    throw new UsageError("Snapshots can't be moved: copy one, or rename it");
  }
  if (isLocal) {
    const json = {
      name: target.volume.name,
      pool: target.pool,
      ...flags["target-project"] !== "" && { project: flags["target-project"] },
    };
    await context.operate(source.client, "POST", source.url, {
      title: "Moving the storage volume",
      json,
    });
  } else {
    const wish = { name: source.volume.name, volume_only: false, refresh: false };
    await transfer(context, ends, wish, flags);
    await context.operate(source.client, "DELETE", source.url);
  }
  context.out.say("Storage volume moved successfully!");
}
