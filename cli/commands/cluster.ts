/** cluster: this server is never part of one; every word says so, as LXD does without a cluster. */
import { type Command, command, type FlagSpecs, group } from "#cli/command.ts";
import type { Context } from "#cli/context.ts";

/** Word and what follows it. */
const CLIENT_WORDS: Readonly<Record<string, string>> = {
  add: "[[<remote>:]<member>]",
  edit: "[<remote>:]<cluster member>",
  enable: "[<remote>:] <name>",
  evacuate: "[<remote>:]<member>",
  get: "[<remote>:]<member> <key>",
  "group assign": "[<remote>:]<member> <group>",
  "group create": "[<remote>:]<group>",
  "group delete": "[<remote>:]<group>",
  "group edit": "[<remote>:]<group>",
  "group list": "[<remote>:]",
  "group remove": "[<remote>:]<member> <group>",
  "group rename": "[<remote>:]<group> <new-name>",
  "group show": "[<remote>:]<group>",
  list: "[<remote>:]",
  "list-tokens": "[<remote>:]",
  remove: "[<remote>:]<member>",
  rename: "[<remote>:]<member> <new-name>",
  restore: "[<remote>:]<member>",
  "revoke-token": "[<remote>:]<member>",
  "role add": "[<remote>:]<member> <role[,role...]>",
  "role remove": "[<remote>:]<member> <role[,role...]>",
  set: "[<remote>:]<member> <key>=<value>...",
  show: "[<remote>:]<member>",
  unset: "[<remote>:]<member> <key>",
  "update-certificate": "[<remote>:] <cert.crt> <cert.key>",
};
/** Other last words. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  evacuate: ["evac"],
  "group assign": ["apply"],
  "group delete": ["rm"],
  "group list": ["ls"],
  "group rename": ["mv"],
  list: ["ls"],
  remove: ["rm"],
  rename: ["mv"],
  "update-certificate": ["update-cert"],
};
/** Taken, so that a script hears what is wrong, not that a flag is unknown. */
const FLAGS = {
  force: { kind: "bool", summary: "Don't ask, or go on in spite of errors" },
  format: { kind: "string", short: "f", default: "table", summary: "Format" },
  name: { kind: "string", summary: "Cluster member name (alternative to passing it)" },
  yes: { kind: "bool", summary: "Don't require user confirmation" },
} as const satisfies FlagSpecs;
const FORCE = { force: { ...FLAGS.force, short: "f" } } as const;

const SERVER_WORDS = "edit list-database recover-from-quorum-loss remove-raft-node show";

/** Also LXD's for what was replaced long ago: `lxd import`. */
export const CLUSTER_COMMANDS: readonly Command[] = [
  group("cluster", "Manage cluster members: this server is not part of a cluster"),
  group("cluster group", "Manage cluster groups", { only: "lxc" }),
  group("cluster role", "Manage cluster roles", { only: "lxc" }),
  ...Object.entries(CLIENT_WORDS).map(([word, usage]) => clusterWord(word, usage, "lxc")),
  ...SERVER_WORDS.split(" ").map((word) => clusterWord(word, "", "lxd")),
  command({
    name: "import",
    only: "lxd",
    usage: "",
    summary: 'Command has been replaced with "lxd recover"',
    uncommon: true,
    args: [0, Infinity],
    run: () => Promise.reject(new Error('Command has been replaced with "lxd recover"')),
  }),
];

function clusterWord(word: string, usage: string, only: "lxc" | "lxd"): Command {
  const { format: _, ...withoutFormat } = FLAGS;
  return command({
    name: `cluster ${word}`,
    only,
    usage,
    summary: "Refused: this server is not part of a cluster",
    aliases: ALIASES[word] ?? [],
    flags: word === "remove" ? { ...withoutFormat, ...FORCE } : FLAGS,
    args: [0, Infinity],
    run: (context, [label]) => refuse(context, label),
  });
}

async function refuse(context: Context, label = ""): Promise<never> {
  const { client } = context.resource(label.includes(":") ? label : "");
  await client.get("/1.0");
  throw new Error("LXD server isn't part of a cluster");
}
