/** network forward: addresses of the host that lead to instances. */
import { type Command, command, group, TARGET_FLAG } from "#cli/command.ts";
import { type Context, path } from "#cli/context.ts";
import { update } from "#cli/keys.ts";
import { configVerbs } from "#cli/commands/config_verbs.ts";
import { type Part, partCommands, placeOf, type Thing, without } from "./parts.ts";

interface Port {
  readonly protocol: string;
  readonly listen_port: string;
  readonly target_address: string;
  readonly target_port: string;
}

const NAME = "[<remote>:]<network> <listen_address>";

const PART: Part = {
  words: "network forward",
  title: "Network forward",
  usage: NAME,
  names: 2,
  shape: "forward",
  nameField: "listen_address",
  flags: TARGET_FLAG,
  collection(context, [label = ""]) {
    const { client, name } = context.resource(label);
    return { client, url: path("networks", name, "forwards") };
  },
  columns: {
    "LISTEN ADDRESS": ({ listen_address }) => String(listen_address),
    "DESCRIPTION": ({ description }) => description,
    "DEFAULT TARGET ADDRESS": ({ config }) => config["target_address"] ?? "",
    "PORTS": ({ ports }) => String((ports as Port[] | null)?.length ?? 0),
  },
};

const HELP =
  `A network forward consists of a default target address and optional set of port forwards for a listen address.

An example would look like:
listen_address: 192.0.2.1
config:
  target_address: 198.51.100.2
description: test desc
ports:
- description: port forward
  protocol: tcp
  listen_port: 80,81,8080-8090
  target_address: 198.51.100.3
  target_port: 80,81,8080-8090
location: lxd01

Note that the listen_address and location cannot be changed.`;

const portsOf = (forward: Thing) => forward["ports"] as Port[] | null ?? [];

const place = (context: Context, names: readonly string[]) => placeOf(PART, context, names);

export const FORWARD_COMMANDS: readonly Command[] = [
  group("network forward", "Manage network forwards"),
  ...partCommands(PART),
  ...configVerbs({
    words: PART.words,
    one: "network forward",
    many: "network forward configurations",
    usage: NAME,
    names: 2,
    shape: "forward",
    help: HELP,
    place,
  }),
  group("network forward port", "Manage network forward ports"),
  command({
    name: "network forward port add",
    usage: `${NAME} <protocol> <listen_port(s)> <target_address> [<target_port(s)>]`,
    summary: "Add ports to a forward",
    flags: TARGET_FLAG,
    args: [5, 6],
    async run(context, [label = "", address = "", protocol, ports, target, targetPorts = ""]) {
      const { client, url } = place(context, [label, address]);
      const port = {
        protocol,
        listen_port: ports,
        target_address: target,
        target_port: targetPorts,
      };
      await update(
        client,
        url,
        (forward: Thing) => ({ ...forward, ports: [...portsOf(forward), port] }),
      );
    },
  }),
  command({
    name: "network forward port remove",
    usage: `${NAME} [<protocol>] [<listen_port(s)>]`,
    summary: "Remove ports from a forward",
    flags: { ...TARGET_FLAG, force: { kind: "bool", summary: "Remove all ports that match" } },
    args: [2, 4],
    async run(context, [label = "", address = "", protocol, ports], { force }) {
      const { client, url } = place(context, [label, address]);
      const fits = (port: Port) =>
        (protocol === undefined || port.protocol === protocol) &&
        (ports === undefined || port.listen_port === ports);
      await update(client, url, (forward: Thing) => ({
        ...forward,
        ports: without(portsOf(forward), fits, { force, what: "port" }),
      }));
    },
  }),
];
