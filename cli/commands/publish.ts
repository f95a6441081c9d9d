/** publish: an instance or snapshot becomes an image. */
import { parseExpiry } from "#base/time.ts";
import type { Client } from "#api/client.ts";
import { type Command, command, UsageError } from "#cli/command.ts";
import { type Context, path } from "#cli/context.ts";
import { update } from "#cli/keys.ts";
import { transfer } from "./image/copy.ts";
import { findAlias, type Image, setAliases } from "./image/lookup.ts";

export const PUBLISH_COMMANDS: readonly Command[] = [
  command({
    name: "publish",
    usage: "[<remote>:]<instance>[/<snapshot>] [<remote>:] [flags] [key=value...]",
    summary: "Publish instances as images",
    flags: {
      alias: { kind: "list", summary: "New alias to define at target" },
      compression: {
        kind: "string",
        summary: "Compression algorithm to use (`none` for uncompressed)",
      },
      expire: { kind: "string", summary: "Image expiration date (format: rfc3339)" },
      force: { kind: "bool", short: "f", summary: "Stop the instance if currently running" },
      public: { kind: "bool", summary: "Make the image public" },
      reuse: {
        kind: "bool",
        summary: "Delete the image that an alias of the new one meant before",
      },
    },
    args: [1, Infinity],
    async run(context, [label = "", ...words], flags) {
      const source = context.resource(label);
      if (source.name === "") throw new UsageError("Instance name is mandatory");
      const { target, properties } = splitWords(words);
      const to = context.split(target);
      if (to.name !== "") throw new UsageError('There is no "image name".  Did you want an alias?');
      const { client, name } = source;
      const expires = parseExpiry(flags.expire) || undefined;
      await using _stopped = name.includes("/")
        ? undefined
        : await standStill(context, client, { name, force: flags.force });

      const { public: isPublic, ...rest } = properties;
      const wanted = flags.public || isPublic === "true";
      const isElsewhere = target !== "" && to.remote !== source.remote;
      const operation = await context.operate(client, "POST", "/1.0/images", {
        title: "Publishing instance",
        json: {
          properties: rest,
          public: wanted,
          expires_at: expires,
          source: { type: name.includes("/") ? "snapshot" : "instance", name },
          compression_algorithm: flags.compression,
        },
      });
      const fingerprint = String(operation.metadata?.fingerprint ?? "");
      const destination = isElsewhere ? context.client(to.remote) : client;
      if (isElsewhere) {
        await moveImage(context, { client, remote: source.remote, fingerprint }, {
          client: destination,
          remote: to.remote,
          isPublic: wanted,
        });
      }
      const before = await Promise.all(flags.alias.map((name) => findAlias(destination, name)));
      await setAliases(destination, flags.alias, fingerprint);
      if (flags.reuse) {
        const replaced = new Set(before.map((alias) => alias?.target));
        for (const old of replaced) {
          if (old === undefined || old === fingerprint) continue;
          await context.operate(destination, "DELETE", path("images", old));
        }
      }
      context.out.line(`Instance published with fingerprint: ${fingerprint}`);
    },
  }),
];

/** It is made where the instance is, and goes to where it is wanted. */
async function moveImage(
  context: Context,
  from: { client: Client; remote: string; fingerprint: string },
  to: { client: Client; remote: string; isPublic: boolean },
): Promise<void> {
  const url = path("images", from.fingerprint);
  try {
    const image = await from.client.get<Image>(url);
    await transfer(context, { ...from, image, alias: undefined }, {
      ...to,
      wish: { type: "container", autoUpdate: false, isPublic: to.isPublic },
      mode: "pull",
    });
  } finally {
    await context.operate(from.client, "DELETE", url);
  }
}

/** The target may stand before the properties. Pure. */
export function splitWords(
  words: readonly string[],
): { target: string; properties: Record<string, string> } {
  const [first = "", ...rest] = words;
  const hasTarget = words.length > 0 && !first.includes("=");
  const properties: Record<string, string> = {};
  for (const pair of hasTarget ? rest : words) {
    const equals = pair.indexOf("=");
    if (equals < 0) throw new UsageError(`Bad key=value pair: ${pair}`);
    properties[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return { target: hasTarget ? first : "", properties };
}

interface Instance {
  readonly status: string;
  readonly ephemeral: boolean;
}

/** Stop it if that is allowed; it is started again when the result is disposed. */
async function standStill(
  context: Context,
  client: Client,
  { name, force }: { name: string; force: boolean },
): Promise<AsyncDisposable | undefined> {
  const url = path("instances", name);
  const { status, ephemeral } = await client.get<Instance>(url);
  if (status === "Stopped") return undefined;
  if (!force) {
    throw new Error(
      "The instance is currently running. Use --force to have it stopped and restarted",
    );
  }
  const setEphemeral = (value: boolean) =>
    update<Instance>(client, url, (instance) => ({ ...instance, ephemeral: value }));
  const change = (action: "start" | "stop") =>
    context.operate(client, "PUT", `${url}/state`, {
      json: { action, timeout: -1, force: true, stateful: false },
    });
  // An ephemeral one would be gone once it stops.
  if (ephemeral) await setEphemeral(false);
  await change("stop");
  return {
    async [Symbol.asyncDispose]() {
      await change("start");
      if (ephemeral) await setEphemeral(true);
    },
  };
}
