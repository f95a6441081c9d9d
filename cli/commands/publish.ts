/** publish: an instance or snapshot becomes an image. */
import type { Client } from "#api/client.ts";
import { type Command, command, UsageError } from "#cli/command.ts";
import { type Context, path } from "#cli/context.ts";
import { update } from "#cli/keys.ts";
import { setAliases } from "./image/lookup.ts";

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
    },
    args: [1, Infinity],
    async run(context, [label = "", ...words], flags) {
      const source = context.resource(label);
      if (source.name === "") throw new UsageError("Instance name is mandatory");
      const { target, properties } = splitWords(words);
      const to = context.split(target);
      if (to.name !== "") throw new UsageError('There is no "image name".  Did you want an alias?');
      if (target !== "" && to.remote !== source.remote) {
        throw new Error(
          `cannot publish on "${to.remote}" directly: publish on "${source.remote}", ` +
            "then copy the image with `lxc image copy`",
        );
      }
      const { client, name } = source;
      await using _stopped = name.includes("/")
        ? undefined
        : await standStill(context, client, { name, force: flags.force });

      const { public: isPublic, ...rest } = properties;
      const operation = await context.operate(client, "POST", "/1.0/images", {
        title: "Publishing instance",
        json: {
          properties: rest,
          public: flags.public || isPublic === "true",
          expires_at: flags.expire || undefined,
          source: { type: name.includes("/") ? "snapshot" : "instance", name },
          compression_algorithm: flags.compression,
        },
      });
      const fingerprint = String(operation.metadata?.fingerprint ?? "");
      await setAliases(client, flags.alias, fingerprint);
      context.out.line(`Instance published with fingerprint: ${fingerprint}`);
    },
  }),
];

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
