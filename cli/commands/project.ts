/** project: separate worlds of instances, images, profiles, networks and volumes on one server. */
import { formatBytes } from "#base/units.ts";
import { type Command, command, FORMAT_FLAG, group } from "#cli/command.ts";
import { path } from "#cli/context.ts";
import { parsePairs } from "#cli/keys.ts";
import { shape } from "#cli/output/shape.ts";
import { sortRows } from "#cli/output/sort.ts";
import { render } from "#cli/output/table.ts";
import { configVerbs } from "./config_verbs.ts";
import { asRemote } from "./network/network.ts";

interface Project {
  readonly name: string;
  readonly description: string;
  readonly config: Readonly<Record<string, string>>;
  readonly used_by: readonly string[] | null;
}

interface Limit {
  readonly Limit: number;
  readonly Usage: number;
}

const NAME = "[<remote>:]<project>";

const HELP = `A project consists of a set of features and a description.

An example would look like:
name: my-project
features:
  images: True
  profiles: True
description: My own project

Note that the name is shown but cannot be changed`;

const FEATURES = ["images", "profiles", "storage.volumes", "networks"];
const SIZES = ["disk", "memory"];

export const PROJECT_COMMANDS: readonly Command[] = [
  group("project", "Manage projects"),
  ...configVerbs({
    words: "project",
    one: "project",
    many: "project configurations",
    usage: NAME,
    names: 1,
    shape: "project",
    help: HELP,
    printsMissing: true,
    hasNoTarget: true,
    place: (context, [label = ""]) => {
      const { client, name } = context.resource(label);
      return { client, url: path("projects", name) };
    },
  }),
  command({
    name: "project list",
    usage: "[<remote>:]",
    summary: "List projects",
    aliases: ["ls"],
    flags: FORMAT_FLAG,
    args: [0, 1],
    async run(context, [label = ""], { format }) {
      const { client, remote } = context.resource(asRemote(label));
      const data = await client.get<Project[]>("/1.0/projects", { query: { recursion: 1 } });
      const current = context.remote(remote).project || "default";
      context.out.text(render({
        header: [
          "NAME",
          "IMAGES",
          "PROFILES",
          "STORAGE VOLUMES",
          "NETWORKS",
          "DESCRIPTION",
          "USED BY",
        ],
        rows: sortRows(data.map(({ name, config, description, used_by }) => [
          name === current ? `${name} (current)` : name,
          ...FEATURES.map((one) => config[`features.${one}`] === "true" ? "YES" : "NO"),
          description,
          String(used_by?.length ?? 0),
        ])),
        data,
        shape: shape("project"),
      }, format));
    },
  }),
  command({
    name: "project create",
    usage: NAME,
    summary: "Create projects",
    flags: {
      config: {
        kind: "list",
        short: "c",
        summary: "Config key/value to apply to the new project",
      },
    },
    args: [1, 1],
    async run(context, [label = ""], { config }) {
      const { client, name } = context.resource(label);
      await client.operate("POST", "/1.0/projects", {
        json: { name, config: parsePairs(config), description: "" },
      });
      context.out.say(`Project ${name} created`);
    },
  }),
  command({
    name: "project delete",
    usage: NAME,
    summary: "Delete projects",
    aliases: ["rm"],
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, name, remote } = context.resource(label);
      await client.operate("DELETE", path("projects", name));
      context.out.say(`Project ${name} deleted`);
      if (context.remote(remote).project !== name) return;
      context.config.remotes.set(remote, { ...context.remote(remote), project: "default" });
      context.saveConfig();
    },
  }),
  command({
    name: "project rename",
    usage: `${NAME} <new-name>`,
    summary: "Rename projects",
    aliases: ["mv"],
    args: [2, 2],
    async run(context, [label = "", newName = ""]) {
      const { client, name } = context.resource(label);
      await context.operate(client, "POST", path("projects", name), { json: { name: newName } });
      context.out.say(`Project ${name} renamed to ${newName}`);
    },
  }),
  command({
    name: "project switch",
    usage: NAME,
    summary: "Switch the current project",
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, name, remote } = context.resource(label);
      await client.get(path("projects", name));
      context.config.remotes.set(remote, { ...context.remote(remote), project: name });
      context.saveConfig();
    },
  }),
  command({
    name: "project info",
    usage: NAME,
    summary: "Get a summary of resource allocations",
    flags: FORMAT_FLAG,
    args: [1, 1],
    async run(context, [label = ""], { format }) {
      const { client, name } = context.resource(label);
      const data = await client.get<{ resources: Record<string, Limit> }>(
        path("projects", name, "state"),
      );
      const text = (kind: string, value: number) =>
        SIZES.includes(kind) ? formatBytes(value) : String(value);
      context.out.text(render({
        header: ["RESOURCE", "LIMIT", "USAGE"],
        rows: sortRows(
          Object.entries(data.resources).map(([kind, { Limit, Usage }]) => [
            kind.toUpperCase(),
            Limit < 0 ? "UNLIMITED" : text(kind, Limit),
            text(kind, Usage),
          ]),
        ),
        data,
      }, format));
    },
  }),
];
