/** image copy: from one server to another. */
import type { Client } from "#api/client.ts";
import { type Command, command, UsageError } from "#cli/command.ts";
import { type Context, path } from "#cli/context.ts";
import { siBytes } from "#cli/output/time.ts";
import { findAlias, type Image, setAliases } from "./lookup.ts";
import { secretOf, type Server, serversOf, tryServers } from "./source.ts";

export const IMAGE_COPY: Command = command({
  name: "image copy",
  usage: "[<remote>:]<image> <remote>:",
  summary: "Copy images between servers",
  aliases: ["cp"],
  description: `The auto-update flag instructs the server to keep this image up to date.
It requires the source to be an alias and for it to be public.`,
  flags: {
    alias: { kind: "list", summary: "New aliases to add to the image" },
    "auto-update": { kind: "bool", summary: "Keep the image up to date after initial copy" },
    "copy-aliases": { kind: "bool", summary: "Copy aliases from source" },
    mode: {
      kind: "string",
      default: "pull",
      summary: "Transfer mode. One of pull (default), push or relay",
    },
    public: { kind: "bool", summary: "Make image public" },
    "target-project": { kind: "string", summary: "Copy to a project different from the source" },
    vm: { kind: "bool", summary: "Copy virtual machine images" },
  },
  args: [2, 2],
  async run(context, [label = "", targetLabel = ""], flags) {
    const { remote, name } = context.split(label);
    const target = context.resource(targetLabel);
    if (target.name !== "") throw new UsageError("Can't provide a name for the target image");
    if (name === "") throw new UsageError("Image identifier missing");
    const to = flags["target-project"] === ""
      ? target.client
      : target.client.inProject(flags["target-project"]);
    if (remote === target.remote && to.project === context.client(remote).project) {
      throw new UsageError("The source and target servers must be different");
    }
    const wish: Wish = {
      type: flags.vm ? "virtual-machine" : "container",
      autoUpdate: flags["auto-update"],
      isPublic: flags.public,
    };
    const from = context.remote(remote);
    if (from.protocol === "simplestreams") {
      if (flags.mode !== "pull") throw new UsageError("Only pull works with an image server");
      const source = { server: from.addr, protocol: "simplestreams", alias: name };
      const fingerprint = await pull(context, to, { source, wish });
      await setAliases(to, flags.alias, fingerprint);
    } else {
      const client = context.client(remote);
      const alias = await findAlias(client, name);
      const image = await client.get<Image>(path("images", alias?.target ?? name));
      if (wish.autoUpdate && flags.mode !== "pull") {
        throw new UsageError("Auto update is only available in pull mode");
      }
      if (wish.autoUpdate && alias === undefined) {
        throw new UsageError("Auto update is only available for images that have an alias");
      }
      await transfer(context, { client, remote, image, alias: alias && name }, {
        client: to,
        remote: target.remote,
        wish,
        mode: flags.mode,
      });
      const own = flags["copy-aliases"] ? (image.aliases ?? []).map((one) => one.name) : [];
      await setAliases(to, [...own, ...flags.alias], image.fingerprint);
    }
    context.out.say("Image copied successfully!");
  },
});

interface Wish {
  readonly type: string;
  readonly autoUpdate: boolean;
  readonly isPublic: boolean;
}

interface Origin {
  readonly client: Client;
  /** Its name. */
  readonly remote: string;
  readonly image: Image;
  /** How it was named, if by an alias. */
  readonly alias: string | undefined;
}

interface Destination {
  readonly client: Client;
  readonly remote: string;
  readonly wish: Wish;
  readonly mode: string;
}

/** @throws {UsageError} for an unknown mode; {Error} if none of the addresses of the origin answers. */
export async function transfer(context: Context, origin: Origin, to: Destination): Promise<void> {
  switch (to.mode) {
    case "pull": {
      const source = await originOf(origin);
      const servers = await serversOf(context, origin);
      const wish = to.wish;
      await tryServers(
        servers,
        (server) => pull(context, to.client, { source: { ...server, ...source }, wish }),
      );
      return;
    }
    case "push":
      return await push(context, origin, to);
    case "relay":
      return await relay(context, origin, to);
    default:
      throw new UsageError(`Unsupported mode "${to.mode}": one of pull, push, relay`);
  }
}

/** The target's server downloads it. @returns the fingerprint. */
async function pull(
  context: Context,
  client: Client,
  { source, wish }: { source: Readonly<Record<string, unknown>>; wish: Wish },
): Promise<string> {
  const operation = await context.operate(client, "POST", "/1.0/images", {
    title: "Copying the image",
    json: {
      auto_update: wish.autoUpdate,
      public: wish.isPublic,
      source: { type: "image", mode: "pull", image_type: wish.type, ...source },
    },
  });
  return String(operation.metadata?.fingerprint ?? "");
}

/** The image as the other server must ask for it, with a secret if it is private. */
async function originOf({ client, image, alias }: Origin) {
  return {
    protocol: "lxd",
    project: client.project,
    fingerprint: image.fingerprint,
    alias: alias ?? "",
    secret: image.public ? undefined : await secretOf(client, path("images", image.fingerprint)),
  };
}

/** The source's server uploads it. */
async function push(context: Context, origin: Origin, to: Destination): Promise<void> {
  const servers = await serversOf(context, to, "target");
  await tryServers(servers, (server) => pushTo(context, { origin, to, server }));
}

async function pushTo(
  context: Context,
  { origin, to, server: { server, certificate } }: {
    readonly origin: Origin;
    readonly to: Destination;
    readonly server: Server;
  },
): Promise<void> {
  const { image } = origin;
  const { metadata: operation } = await to.client.send<{ metadata: { secret?: string } | null }>(
    "POST",
    "/1.0/images",
    {
      json: {
        ...writableOf(image, to.wish),
        source: { type: "image", mode: "push", fingerprint: image.fingerprint },
      },
    },
  );
  const url = path("images", image.fingerprint);
  await context.operate(origin.client, "POST", `${url}/export`, {
    title: "Copying the image",
    json: {
      target: server,
      certificate,
      secret: operation.metadata?.secret,
      project: to.client.project ?? "default",
    },
  });
}

/** This client downloads and uploads it. */
async function relay(context: Context, origin: Origin, to: Destination): Promise<void> {
  const { image } = origin;
  const reply = await origin.client.download(`${path("images", image.fingerprint)}/export`);
  const headers: Record<string, string> = {
    "Content-Type": reply.headers["content-type"] ?? "application/octet-stream",
    "X-LXD-fingerprint": image.fingerprint,
    "X-LXD-properties": new URLSearchParams(image.properties ?? {}).toString(),
  };
  if (to.wish.isPublic) headers["X-LXD-public"] = "true";
  if (image.filename !== "") headers["X-LXD-filename"] = image.filename;
  const length = Number(reply.headers["content-length"] ?? NaN);
  await context.operate(to.client, "POST", "/1.0/images", {
    title: "Copying the image",
    headers,
    body: {
      stream: withProgress(context, reply.body),
      length: Number.isNaN(length) ? undefined : length,
    },
  });
}

function writableOf(image: Image, wish: Wish) {
  const { properties, expires_at, profiles, filename } = image;
  const { isPublic, autoUpdate } = wish;
  return {
    properties,
    expires_at,
    profiles,
    filename,
    public: isPublic,
    auto_update: autoUpdate,
  };
}

async function* withProgress(
  context: Context,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const piece of pieces) {
    yield piece;
    sent += piece.length;
    context.out.progress(`Copying the image: ${siBytes(sent)}`);
  }
}
