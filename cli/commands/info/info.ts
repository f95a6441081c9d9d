/** info: an instance, the server, its hardware. */
import { ClientError } from "#api/client.ts";
import { type Command, command, TARGET_FLAG, UsageError } from "#cli/command.ts";
import { type Context, path, type Resource } from "#cli/context.ts";
import { shape } from "#cli/output/shape.ts";
import { toYaml } from "#cli/output/yaml.ts";
import type { Instance } from "#cli/commands/list/instance.ts";
import { instanceText } from "./instance_text.ts";
import { resourcesText } from "./resources_text.ts";

export const INFO_COMMANDS: readonly Command[] = [
  command({
    name: "info",
    usage: "[<remote>:][<instance>]",
    summary: "Show instance or server information",
    examples: [
      { call: "lxc info [<remote>:]<instance> [--show-log]", what: "For instance information." },
      { call: "lxc info [<remote>:] [--resources]", what: "For LXD server information." },
    ],
    flags: {
      resources: { kind: "bool", summary: "Show the resources available to the server" },
      "show-log": { kind: "bool", summary: "Show the instance's last 100 log lines?" },
      ...TARGET_FLAG,
    },
    args: [0, 1],
    async run(context, [label = ""], flags) {
      const resource = context.resource(label);
      if (resource.name !== "") {
        if (flags.target) throw new UsageError("--target cannot be used with instances");
        return await instanceInfo(context, resource, flags["show-log"]);
      }
      const client = await context.member(resource.client, flags.target);
      if (flags.resources) {
        return context.out.text(resourcesText(await client.get("/1.0/resources")));
      }
      context.out.text(toYaml(lowerDrivers(await client.get<Server>("/1.0")), shape("server")));
    },
  }),
];

interface Server {
  readonly environment?: {
    readonly storage_supported_drivers?: readonly Record<string, unknown>[] | null;
  };
}

/** The API has capitals in one place only: LXD's client prints it without. */
function lowerDrivers(server: Server): Server {
  const drivers = server.environment?.storage_supported_drivers?.map((driver) =>
    Object.fromEntries(Object.entries(driver).map(([key, value]) => [key.toLowerCase(), value]))
  );
  return { ...server, environment: { ...server.environment, storage_supported_drivers: drivers } };
}

const LOG_LINES = 100;

async function instanceInfo(
  context: Context,
  { client, name }: Resource,
  showLog: boolean,
): Promise<void> {
  const url = path("instances", name);
  const instance = await client.get<Instance>(url, { query: { recursion: 1 } });
  context.out.text(instanceText(instance));
  if (!showLog) return;
  const reply = await client.raw("GET", `${url}/logs/lxc.log`);
  const text = await reply.text();
  if (reply.status >= 400) throw new ClientError(reply.status, "the instance has no log");
  const lines = text.split("\n");
  context.out.text(`\nLog:\n\n${lines.slice(-LOG_LINES).join("\n")}\n`);
}
