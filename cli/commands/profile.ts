/** profile: sets of keys and devices that instances share. */
import type { Client } from "#api/client.ts";
import { type Command, command, FORMAT_FLAG, group } from "#cli/command.ts";
import { type Context, path, type Resource } from "#cli/context.ts";
import { editObject } from "#cli/edit.ts";
import { parseKeyValues, setKeys, update } from "#cli/keys.ts";
import { shape } from "#cli/output/shape.ts";
import { naturalOrder } from "#cli/output/sort.ts";
import { render } from "#cli/output/table.ts";
import { toYaml } from "#cli/output/yaml.ts";
import { deviceCommands } from "./config/devices.ts";
import { PROFILE_HELP } from "./config/help.ts";

interface Profile {
  readonly name: string;
  readonly description: string;
  readonly config: Readonly<Record<string, string>> | null;
  readonly devices: Readonly<Record<string, Record<string, string>>> | null;
  readonly used_by: readonly string[] | null;
}

interface Profiled {
  readonly profiles: readonly string[] | null;
}

const PROFILE = "[<remote>:]<profile>";
const INSTANCE = "[<remote>:]<instance>";

/** @throws without a name. */
function profileOf(context: Context, label: string): Resource & { url: string } {
  const resource = context.resource(label);
  if (resource.name === "") throw new Error("Missing profile name");
  return { ...resource, url: path("profiles", resource.name) };
}

async function changeProfiles(
  client: Client,
  name: string,
  change: (profiles: readonly string[]) => readonly string[],
): Promise<void> {
  await update<Profiled>(client, path("instances", name), (instance) => ({
    ...instance,
    profiles: change(instance.profiles ?? []),
  }));
}

const OF_INSTANCES: readonly Command[] = [
  command({
    name: "profile add",
    usage: `${INSTANCE} <profile>`,
    summary: "Add profiles to instances",
    args: [2, 2],
    async run(context, [label = "", profile = ""]) {
      const { client, name } = context.resource(label);
      await changeProfiles(client, name, (profiles) => [...profiles, profile]);
      context.out.say(`Profile ${profile} added to ${name}`);
    },
  }),
  command({
    name: "profile assign",
    usage: `${INSTANCE} <profiles>`,
    summary: "Assign sets of profiles to instances",
    aliases: ["apply"],
    examples: [
      {
        call: "lxc profile assign foo default,bar",
        what: 'Set the profiles for "foo" to "default" and "bar".',
      },
      { call: "lxc profile assign foo ''", what: 'Remove all profile from "foo"' },
    ],
    args: [2, 2],
    async run(context, [label = "", list = ""]) {
      const { client, name } = context.resource(label);
      const profiles = list === "" ? [] : list.split(",");
      await changeProfiles(client, name, () => profiles);
      context.out.say(`Profiles ${list || "(none)"} applied to ${name}`);
    },
  }),
  command({
    name: "profile remove",
    usage: `${INSTANCE} <profile>`,
    summary: "Remove profiles from instances",
    args: [2, 2],
    async run(context, [label = "", profile = ""]) {
      const { client, name } = context.resource(label);
      await changeProfiles(client, name, (profiles) => {
        if (profiles.includes(profile)) return profiles.filter((one) => one !== profile);
        throw new Error(`Profile ${profile} isn't currently applied to ${name}`);
      });
      context.out.say(`Profile ${profile} removed from ${name}`);
    },
  }),
];

const OF_PROFILES: readonly Command[] = [
  command({
    name: "profile copy",
    usage: `${PROFILE} ${PROFILE}`,
    summary: "Copy profiles",
    aliases: ["cp"],
    flags: {
      "target-project": { kind: "string", summary: "Copy to a project different from the source" },
    },
    args: [2, 2],
    async run(context, [from = "", to = ""], { "target-project": project }) {
      const source = profileOf(context, from);
      const target = context.resource(to);
      const { name: _, used_by: __, ...contents } = await source.client.get<Profile>(source.url);
      const client = project === "" ? target.client : target.client.inProject(project);
      const name = target.name || source.name;
      await client.send("POST", "/1.0/profiles", { json: { ...contents, name } });
    },
  }),
  command({
    name: "profile create",
    usage: PROFILE,
    summary: "Create profiles",
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, name } = profileOf(context, label);
      await client.send("POST", "/1.0/profiles", { json: { name } });
      context.out.say(`Profile ${name} created`);
    },
  }),
  command({
    name: "profile delete",
    usage: PROFILE,
    summary: "Delete profiles",
    aliases: ["rm"],
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, name, url } = profileOf(context, label);
      await client.send("DELETE", url);
      context.out.say(`Profile ${name} deleted`);
    },
  }),
  command({
    name: "profile edit",
    usage: PROFILE,
    summary: "Edit profile configurations as YAML",
    examples: [{
      call: "lxc profile edit <profile> < profile.yaml",
      what: "Update a profile using the content of profile.yaml",
    }],
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, url } = profileOf(context, label);
      await editObject(context, {
        client,
        url,
        help: PROFILE_HELP,
        show: (profile) => toYaml(profile, shape("profile")),
        body: changeable,
      });
    },
  }),
  command({
    name: "profile get",
    usage: `${PROFILE} <key>`,
    summary: "Get values for profile configuration keys",
    args: [2, 2],
    async run(context, [label = "", key = ""]) {
      const { client, url } = profileOf(context, label);
      const { config } = await client.get<Profile>(url);
      context.out.line(config?.[key] ?? "");
    },
  }),
  command({
    name: "profile list",
    usage: "[<remote>:]",
    summary: "List profiles",
    aliases: ["ls"],
    flags: FORMAT_FLAG,
    args: [0, 1],
    async run(context, [label = ""], { format }) {
      const { client } = context.resource(label);
      const profiles = await client.get<Profile[]>("/1.0/profiles", { query: { recursion: 1 } });
      const rows = profiles.map((one) => [
        one.name,
        one.description,
        String(one.used_by?.length ?? 0),
      ]);
      context.out.text(render({
        header: ["NAME", "DESCRIPTION", "USED BY"],
        rows: rows.toSorted(([a = ""], [b = ""]) => naturalOrder(a, b)),
        data: profiles,
        shape: shape("profile"),
      }, format));
    },
  }),
  command({
    name: "profile rename",
    usage: `${PROFILE} <new-name>`,
    summary: "Rename profiles",
    aliases: ["mv"],
    args: [2, 2],
    async run(context, [label = "", newName = ""]) {
      const { client, name, url } = profileOf(context, label);
      await client.send("POST", url, { json: { name: newName } });
      context.out.say(`Profile ${name} renamed to ${newName}`);
    },
  }),
  command({
    name: "profile set",
    usage: `${PROFILE} <key>=<value>...`,
    summary: "Set profile configuration keys",
    description: "For backward compatibility, a single configuration key may still be set with:\n" +
      `    lxc profile set ${PROFILE} <key> <value>`,
    args: [2, Infinity],
    async run(context, [label = "", ...pairs]) {
      const { client, url } = profileOf(context, label);
      await setKeys(client, url, parseKeyValues(pairs));
    },
  }),
  command({
    name: "profile show",
    usage: PROFILE,
    summary: "Show profile configurations",
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, url } = profileOf(context, label);
      context.out.text(toYaml(await client.get(url), shape("profile")));
    },
  }),
  command({
    name: "profile unset",
    usage: `${PROFILE} <key>`,
    summary: "Unset profile configuration keys",
    args: [2, 2],
    async run(context, [label = "", key = ""]) {
      const { client, url } = profileOf(context, label);
      // An empty value unsets a key, and lets the server refuse one that it does not know.
      await update<Profile>(client, url, (profile) => ({
        ...profile,
        config: { ...profile.config, [key]: "" },
      }));
    },
  }),
];

/** The fields that PUT takes. */
function changeable(value: unknown): Record<string, unknown> {
  const fields = Object.entries(value ?? {});
  const known = ["config", "description", "devices", "name", "used_by"];
  const unknown = fields.find(([field]) => !known.includes(field));
  if (unknown !== undefined) throw new Error(`field ${unknown[0]} not found in a profile`);
  return Object.fromEntries(fields.filter(([field]) => field !== "name" && field !== "used_by"));
}

export const PROFILE_COMMANDS: readonly Command[] = [
  group("profile", "Manage profiles"),
  ...OF_INSTANCES,
  ...OF_PROFILES,
  ...deviceCommands({ prefix: "profile device", noun: "profile" }),
];
