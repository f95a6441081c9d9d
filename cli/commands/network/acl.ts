/** network acl: rules for the traffic of networks. */
import { ACL_RULE_FIELDS } from "#api/config/network_acl.ts";
import { type Command, command, group, UsageError } from "#cli/command.ts";
import { path } from "#cli/context.ts";
import { splitPair, update } from "#cli/keys.ts";
import { configVerbs } from "#cli/commands/config_verbs.ts";
import { type Part, partCommands, placeOf, type Thing, usedBy, without } from "./parts.ts";

type Rule = Readonly<Record<string, string>>;

const NAME = "[<remote>:]<ACL>";

const PART: Part = {
  words: "network acl",
  title: "Network ACL",
  usage: NAME,
  names: 1,
  shape: "acl",
  nameField: "name",
  collection: (context, [label = ""]) => ({
    client: context.resource(label).client,
    url: "/1.0/network-acls",
  }),
  columns: {
    "NAME": ({ name }) => String(name),
    "DESCRIPTION": ({ description }) => description,
    "USED BY": usedBy,
  },
};

const HELP = `A network ACL consists of a set of rules and configuration items.

An example would look like:
name: allow-web
description: Web servers
egress: []
ingress:
- action: allow
  protocol: tcp
  destination_port: "80,443"
  state: enabled
config:
  user.foo: bah

Note that only the ingress and egress rules, description and configuration keys can be changed.`;

function direction(word: string): "ingress" | "egress" {
  if (word === "ingress" || word === "egress") return word;
  throw new UsageError("The direction argument must be one of: ingress, egress");
}

function parseRule(pairs: readonly string[]): Rule {
  const rule = Object.fromEntries(pairs.map(splitPair));
  for (const key of Object.keys(rule)) {
    if (!(ACL_RULE_FIELDS as readonly string[]).includes(key)) {
      throw new UsageError(`Unknown key: ${key}`);
    }
  }
  return rule;
}

const normal = (value = "") => value.split(",").map((part) => part.trim()).join(",");

export const ACL_COMMANDS: readonly Command[] = [
  group("network acl", "Manage network ACLs"),
  ...partCommands(PART),
  ...configVerbs({
    words: PART.words,
    one: "network ACL",
    many: "network ACL configurations",
    usage: NAME,
    names: 1,
    shape: "acl",
    help: HELP,
    hasNoTarget: true,
    place: (context, names) => placeOf(PART, context, names),
  }),
  command({
    name: "network acl rename",
    usage: `${NAME} <new-name>`,
    summary: "Rename network ACLs",
    aliases: ["mv"],
    args: [2, 2],
    async run(context, [label = "", name = ""]) {
      const place = placeOf(PART, context, [label]);
      await place.client.operate("POST", place.url, { json: { name } });
      context.out.say(`Network ACL ${context.split(label).name} renamed to ${name}`);
    },
  }),
  command({
    name: "network acl show-log",
    usage: NAME,
    summary: "Show network ACL log",
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, name } = context.resource(label);
      const log = await client.download(path("network-acls", name, "log"));
      context.out.text(await log.text());
    },
  }),
  group("network acl rule", "Manage network ACL rules"),
  command({
    name: "network acl rule add",
    usage: `${NAME} <direction> <key>=<value>...`,
    summary: "Add rules to an ACL",
    args: [2, Infinity],
    async run(context, [label = "", word = "", ...pairs]) {
      const side = direction(word);
      const rule = { state: "enabled", ...parseRule(pairs) };
      const { client, url } = placeOf(PART, context, [label]);
      await update(client, url, (acl: Thing) => ({
        ...acl,
        [side]: [...(acl[side] as Rule[] | null ?? []), rule],
      }));
    },
  }),
  command({
    name: "network acl rule remove",
    usage: `${NAME} <direction> <key>=<value>...`,
    summary: "Remove rules from an ACL",
    flags: { force: { kind: "bool", summary: "Remove all rules that match" } },
    args: [2, Infinity],
    async run(context, [label = "", word = "", ...pairs], { force }) {
      const side = direction(word);
      const wanted = Object.entries(parseRule(pairs));
      const { client, url } = placeOf(PART, context, [label]);
      const fits = (rule: Rule) =>
        wanted.every(([key, value]) => normal(rule[key]) === normal(value));
      await update(client, url, (acl: Thing) => ({
        ...acl,
        [side]: without(acl[side] as Rule[] | null ?? [], fits, { force, what: "rule" }),
      }));
    },
  }),
];
