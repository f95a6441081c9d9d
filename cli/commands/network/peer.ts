/** network peer: routes between networks of type ovn. */
import { type Command, command, group } from "#cli/command.ts";
import { path } from "#cli/context.ts";
import { parsePairs } from "#cli/keys.ts";
import { configVerbs } from "#cli/commands/config_verbs.ts";
import { type Part, partCommands, placeOf } from "./parts.ts";

const NAME = "[<remote>:]<network> <peer_name>";

const PART: Part = {
  words: "network peer",
  title: "Network peer",
  usage: NAME,
  names: 2,
  shape: "peer",
  nameField: "name",
  collection(context, [label = ""]) {
    const { client, name } = context.resource(label);
    return { client, url: path("networks", name, "peers") };
  },
  columns: {
    NAME: ({ name }) => String(name),
    DESCRIPTION: ({ description }) => description,
    PEER: ({ target_project, target_network }) =>
      target_network ? `${target_project}/${target_network}` : "Unknown",
    STATE: ({ status }) => String(status).toUpperCase(),
  },
};

const HELP = `A network peer consists of a target network and configuration items.

An example would look like:
description: A peering to mynet
config: {}
name: mypeer
target_project: default
target_network: mynet
status: Pending

Note that the name, target_project, target_network and status fields cannot be changed.`;

export const PEER_COMMANDS: readonly Command[] = [
  group("network peer", "Manage network peerings"),
  ...partCommands(PART).filter(({ name }) => !name.endsWith(" create")),
  ...configVerbs({
    words: PART.words,
    one: "network peer",
    many: "network peer configurations",
    usage: NAME,
    names: 2,
    shape: "peer",
    help: HELP,
    hasNoTarget: true,
    place: (context, names) => placeOf(PART, context, names),
  }),
  command({
    name: "network peer create",
    usage: `${NAME} <[target project/]target_network> [key=value...]`,
    summary: "Create new network peering",
    args: [3, Infinity],
    async run(context, [label = "", name = "", target = "", ...pairs]) {
      const { client, url } = PART.collection(context, [label]);
      const [first = "", second] = target.split("/");
      await client.operate("POST", url, {
        json: {
          name,
          config: parsePairs(pairs),
          target_project: second === undefined ? "" : first,
          target_network: second ?? first,
        },
      });
      context.out.say(`Network peer ${name} created`);
    },
  }),
];
