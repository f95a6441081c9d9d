/** config: keys of instances and of the server. */
import type { Client } from "#api/client.ts";
import { type Command, command, group, TARGET_FLAG, UsageError } from "#cli/command.ts";
import { modernWay } from "#api/config/legacy_storage_keys.ts";
import { type Context, path } from "#cli/context.ts";
import { parseInstance } from "#cli/instance_name.ts";
import { type Configured, parseKeyValues, setKeys, unsetKey } from "#cli/keys.ts";
import { shape } from "#cli/output/shape.ts";
import { toYaml } from "#cli/output/yaml.ts";

const EXPANDED = { kind: "bool", short: "e" } as const;

export const CONFIG_COMMANDS: readonly Command[] = [
  group("config", "Manage instance and server configuration options"),
  command({
    name: "config get",
    usage: "[<remote>:][<instance>] <key>",
    summary: "Get values for instance or server configuration keys",
    flags: {
      expanded: { ...EXPANDED, summary: "Access the expanded configuration" },
      ...TARGET_FLAG,
    },
    args: [1, 2],
    async run(context, args, { expanded, target }) {
      const [label = "", key = ""] = args.length === 1 ? ["", ...args] : args;
      const { client, name } = context.resource(label);
      if (name !== "") {
        refuseTarget(target);
        const { config, expanded_config } = await client.get<Instance>(instanceUrl(name));
        context.out.line((expanded ? expanded_config : config)?.[key] ?? "");
        return;
      }
      if (expanded) throw new UsageError("--expanded cannot be used with a server");
      const { config } = await client.onTarget(target).get<Configured>("/1.0");
      context.out.line(String(config?.[key] ?? ""));
    },
  }),
  command({
    name: "config set",
    usage: "[<remote>:][<instance>] <key>=<value>...",
    summary: "Set instance or server configuration keys",
    description: "For backward compatibility, a single configuration key may still be set with:\n" +
      "    lxc config set [<remote>:][<instance>] <key> <value>",
    examples: [
      {
        call: "lxc config set [<remote>:]<instance> limits.cpu=2",
        what: 'Will set a CPU limit of "2" for the instance.',
      },
      {
        call: "lxc config set core.https_address=[::]:8443",
        what: "Will have LXD listen on IPv4 and IPv6 port 8443.",
      },
      {
        call: "lxc config set core.trust_password=blah",
        what: "Will set the server's trust password to blah.",
      },
    ],
    flags: TARGET_FLAG,
    args: [1, Infinity],
    async run(context, args, { target }) {
      const { label, pairs } = splitTarget(args);
      const { client, name } = context.resource(label);
      const values = parseKeyValues(pairs);
      if (name === "") {
        await setServerKeys(client.onTarget(target), values);
        return sayModernWays(context, values);
      }
      refuseTarget(target);
      await setKeys(client, instanceUrl(name), values);
    },
  }),
  command({
    name: "config show",
    usage: "[<remote>:][<instance>[/<snapshot>]]",
    summary: "Show instance or server configurations",
    flags: {
      expanded: { ...EXPANDED, summary: "Show the expanded configuration" },
      ...TARGET_FLAG,
    },
    args: [0, 1],
    async run(context, [label = ""], { expanded, target }) {
      const { client, name } = context.resource(label);
      if (name !== "") {
        refuseTarget(target);
        return context.out.text(await instanceYaml(client, name, expanded));
      }
      if (expanded) throw new UsageError("--expanded cannot be used with a server");
      context.out.text(serverText(await client.onTarget(target).get("/1.0")));
    },
  }),
  command({
    name: "config unset",
    usage: "[<remote>:][<instance>] <key>",
    summary: "Unset instance or server configuration keys",
    flags: TARGET_FLAG,
    args: [1, 2],
    async run(context, args, { target }) {
      const [label = "", key = ""] = args.length === 1 ? ["", ...args] : args;
      const { client, name } = context.resource(label);
      if (name === "") return await setServerKeys(client.onTarget(target), { [key]: "" });
      refuseTarget(target);
      await unsetKey(client, instanceUrl(name), key);
    },
  }),
];

export interface Instance extends Configured {
  readonly expanded_config?: Record<string, string> | null;
  readonly expanded_devices?: Record<string, Record<string, string>> | null;
}

/** Only servers have members. @throws {UsageError} */
export function refuseTarget(target: string): void {
  if (target !== "") throw new UsageError("--target cannot be used with instances");
}

/** @throws if it is a snapshot. */
function instanceUrl(name: string): string {
  if (name.includes("/")) throw new Error("Invalid instance name");
  return path("instances", name);
}

/**
 * Whose keys? `key=value ...` and `key value` are the server's; else the first word is a remote or
 * an instance. Pure.
 */
export function splitTarget(
  args: readonly string[],
): { label: string; pairs: readonly string[] } {
  const [first = "", ...rest] = args;
  const isServer = first.includes("=") || args.length === 1 && first.includes(".") ||
    args.length === 2 && !rest[0]?.includes("=");
  return isServer ? { label: "", pairs: args } : { label: first, pairs: rest };
}

/** Only what changes is sent: the server hides passwords, so it must not get its answer back. */
async function setServerKeys(
  client: Client,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  await client.send("PATCH", "/1.0", { json: { config: values } });
}

/** Keys of old are followed, and their users told of the new ones. */
function sayModernWays(context: Context, values: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(values)) {
    const way = modernWay(key, value);
    if (way !== undefined) context.out.error(`${key} is a key of LXD 2.0. Today: ${way}`);
  }
}

/** What `config show` and `config edit` print of a server: its keys and nothing else. */
export function serverText({ config }: Configured): string {
  return toYaml({ config: config ?? {} }, shape("serverPut"));
}

const SHOWN = "architecture config devices ephemeral profiles stateful description".split(" ");

async function instanceYaml(client: Client, name: string, expanded: boolean): Promise<string> {
  const { snapshot, url } = parseInstance(name);
  if (snapshot !== undefined) {
    const found = await client.get<Instance>(url);
    const { expanded_config: config, expanded_devices: devices } = found;
    return toYaml(expanded ? { ...found, config, devices } : found, shape("snapshot"));
  }
  const found = await client.get<Instance>(url);
  const { expanded_config: config, expanded_devices: devices } = found;
  const shown: Record<string, unknown> = expanded ? { ...found, config, devices } : found;
  const fields = SHOWN.filter((field) => field in shown);
  return toYaml(
    Object.fromEntries(fields.map((field) => [field, shown[field]])),
    shape("instancePut"),
  );
}
