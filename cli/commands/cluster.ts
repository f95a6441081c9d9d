/** cluster: this server is never part of one; every word says so, as LXD does without a cluster. */
import { type Command, command, group } from "#cli/command.ts";
import type { Context } from "#cli/context.ts";

const CLIENT_WORDS = "add edit enable evacuate get list list-tokens remove rename restore " +
  "revoke-token set show unset update-certificate";
const SERVER_WORDS = "edit list-database recover-from-quorum-loss remove-raft-node show";

/** Also LXD's for what was replaced long ago: `lxd import`. */
export const CLUSTER_COMMANDS: readonly Command[] = [
  group("cluster", "Manage cluster members: this server is not part of a cluster"),
  ...CLIENT_WORDS.split(" ").map((word) => clusterWord(word, "lxc")),
  ...SERVER_WORDS.split(" ").map((word) => clusterWord(word, "lxd")),
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

function clusterWord(word: string, only: "lxc" | "lxd"): Command {
  return command({
    name: `cluster ${word}`,
    only,
    usage: "[<remote>:]...",
    summary: "Refused: this server is not part of a cluster",
    aliases: word === "list" ? ["ls"] : word === "remove" ? ["rm"] : [],
    flags: { format: { kind: "string", short: "f", summary: "Format" } },
    args: [0, Infinity],
    run: (context, [label]) => refuse(context, label),
  });
}

async function refuse(context: Context, label = ""): Promise<never> {
  const { client } = context.resource(label.includes(":") ? label : "");
  await client.get("/1.0");
  throw new Error("LXD server isn't part of a cluster");
}
