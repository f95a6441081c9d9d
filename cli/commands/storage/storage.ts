/** storage: pools, and what is in them. */
import { formatBytes } from "#base/units.ts";
import { type Command, command, FORMAT_FLAG, group, TARGET_FLAG } from "#cli/command.ts";
import { path } from "#cli/context.ts";
import { parsePairs } from "#cli/keys.ts";
import { shape } from "#cli/output/shape.ts";
import { sortRows } from "#cli/output/sort.ts";
import { render } from "#cli/output/table.ts";
import { toYaml } from "#cli/output/yaml.ts";
import { configVerbs } from "#cli/commands/config_verbs.ts";
import { asRemote } from "#cli/commands/network/network.ts";

interface Pool {
  readonly name: string;
  readonly driver: string;
  readonly description: string;
  readonly status: string;
  readonly config: Readonly<Record<string, string>>;
  readonly used_by: readonly string[] | null;
}

interface Resources {
  readonly space: { readonly used?: number; readonly total: number };
}

const NAME = "[<remote>:]<pool>";

const HELP = `A storage pool consists of a set of configuration items.

An example would look like:
name: default
driver: zfs
used_by: []
config:
  size: "61203283968"
  source: /home/chb/mnt/lxd_test/default.img
  zfs.pool_name: default`;

const VERBS = configVerbs({
  words: "storage",
  one: "storage pool",
  many: "storage pool configurations",
  usage: NAME,
  names: 1,
  shape: "pool",
  help: HELP,
  place: (context, [label = ""], target) => {
    const { client, name } = context.resource(label);
    return { client: client.onTarget(target), url: path("storage-pools", name) };
  },
});

export const STORAGE_COMMANDS: readonly Command[] = [
  group("storage", "Manage storage pools and volumes"),
  ...VERBS.filter(({ name }) => name !== "storage show"),
  command({
    name: "storage show",
    usage: NAME,
    summary: "Show storage pool configurations and resources",
    flags: {
      ...TARGET_FLAG,
      resources: { kind: "bool", summary: "Show the resources available to the storage pool" },
    },
    args: [1, 1],
    async run(context, [label = ""], { resources, target }) {
      const { client, name } = context.resource(label);
      const url = path("storage-pools", name);
      const at = client.onTarget(target);
      const text = resources
        ? toYaml(await at.get(`${url}/resources`), shape("poolResources"))
        : toYaml(await at.get(url), shape("pool"));
      context.out.text(text);
    },
  }),
  command({
    name: "storage list",
    usage: "[<remote>:]",
    summary: "List available storage pools",
    aliases: ["ls"],
    flags: FORMAT_FLAG,
    args: [0, 1],
    async run(context, [label = ""], { format }) {
      const { client } = context.resource(asRemote(label));
      const data = await client.get<Pool[]>("/1.0/storage-pools", { query: { recursion: 1 } });
      context.out.text(render({
        header: ["NAME", "DRIVER", "SOURCE", "DESCRIPTION", "USED BY", "STATE"],
        rows: sortRows(data.map((one) => [
          one.name,
          one.driver,
          one.config.source ?? "",
          one.description,
          String(one.used_by?.length ?? 0),
          one.status.toUpperCase(),
        ])),
        data,
        shape: shape("pool"),
      }, format));
    },
  }),
  command({
    name: "storage create",
    usage: `${NAME} <driver> [key=value...]`,
    summary: "Create storage pools",
    flags: TARGET_FLAG,
    args: [2, Infinity],
    async run(context, [label = "", driver = "", ...pairs], { target }) {
      const { client, name } = context.resource(label);
      await client.onTarget(target).operate("POST", "/1.0/storage-pools", {
        json: { name, driver, config: parsePairs(pairs), description: "" },
      });
      context.out.say(`Storage pool ${name} created`);
    },
  }),
  command({
    name: "storage delete",
    usage: NAME,
    summary: "Delete storage pools",
    aliases: ["rm"],
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, name } = context.resource(label);
      await client.operate("DELETE", path("storage-pools", name));
      context.out.say(`Storage pool ${name} deleted`);
    },
  }),
  command({
    name: "storage info",
    usage: NAME,
    summary: "Show useful information about storage pools",
    flags: {
      ...TARGET_FLAG,
      bytes: { kind: "bool", summary: "Show the used and free space in bytes" },
    },
    args: [1, 1],
    async run(context, [label = ""], { bytes, target }) {
      const { client, name } = context.resource(label);
      const url = path("storage-pools", name);
      const pool = await client.onTarget(target).get<Pool>(url);
      const { space } = await client.onTarget(target).get<Resources>(`${url}/resources`);
      const size = (value: number) => bytes ? String(value) : formatBytes(value);
      context.out.text(toYaml({
        info: {
          name: pool.name,
          driver: pool.driver,
          description: pool.description,
          "total space": size(space.total),
          "space used": size(space.used ?? 0),
        },
        "used by": usersByKind(pool.used_by ?? []),
      }));
    },
  }),
  command({
    name: "storage flatten",
    usage: `${NAME} [<instance>]`,
    summary: "Make clones independent of the image or snapshot they came from",
    description: "Instances on plain directories share files with their image until they change " +
      "them. This\nmakes plain trees of one stopped instance, or of all of the pool.",
    args: [1, 2],
    async run(context, [label = "", instance]) {
      const { client, name } = context.resource(label);
      const url = `/internal/storage-pools/${encodeURIComponent(name)}/flatten`;
      const json = { instance, project: instance === undefined ? undefined : client.project };
      await context.operate(client, "POST", url, { json, title: "Flattening" });
    },
  }),
];

/** Names of the users of a pool below their kinds: {instances: ["c1"], profiles: ["default"]}. */
function usersByKind(urls: readonly string[]): Record<string, string[]> {
  const users: Record<string, string[]> = {};
  for (const url of urls) {
    const [, query = ""] = url.split("?");
    const parts = (url.split("?")[0] ?? "").split("/").slice(2).map(decodeURIComponent);
    const isVolume = parts[0] === "storage-pools";
    const kind = isVolume ? "volumes" : parts[0] ?? "";
    // <pool>/volumes/<type>/<name>; snapshots stand there under the name of what they are of.
    const name = (isVolume ? parts[4] : parts[1]) ?? "";
    const project = new URLSearchParams(query).get("project");
    const label = project === null ? name : `${name} (project "${project}")`;
    users[kind] = [...users[kind] ?? [], label];
  }
  return users;
}
