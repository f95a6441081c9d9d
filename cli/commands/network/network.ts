/** network: bridges that the server manages, and the interfaces of its host. */
import { type Command, command, FORMAT_FLAG, group, TARGET_FLAG } from "#cli/command.ts";
import { type Context, path } from "#cli/context.ts";
import { parsePairs } from "#cli/keys.ts";
import { shape } from "#cli/output/shape.ts";
import { sortRows } from "#cli/output/sort.ts";
import { render } from "#cli/output/table.ts";
import { addDevice, configVerbs, removeDevice } from "#cli/commands/config_verbs.ts";
import { ACL_COMMANDS } from "./acl.ts";
import { FORWARD_COMMANDS } from "./forward.ts";
import { networkInfo, type NetworkState } from "./info.ts";
import { PEER_COMMANDS } from "./peer.ts";
import { ZONE_COMMANDS } from "./zone.ts";

export interface Network {
  readonly name: string;
  readonly type: string;
  readonly managed: boolean;
  readonly description: string;
  readonly status: string;
  readonly config: Readonly<Record<string, string>>;
  readonly used_by: readonly string[] | null;
}

interface Lease {
  readonly hostname: string;
  readonly hwaddr: string;
  readonly address: string;
  readonly type: string;
}

const NAME = "[<remote>:]<network>";

const HELP = `A network consists of a set of configuration items.

An example would look like:
name: lxdbr0
config:
  ipv4.address: 10.62.42.1/24
  ipv4.nat: true
  ipv6.address: fd00:56ad:9f7a:9800::1/64
  ipv6.nat: true
managed: true
type: bridge

Note that only the configuration can be changed.`;

export const NETWORK_COMMANDS: readonly Command[] = [
  ...ACL_COMMANDS,
  ...FORWARD_COMMANDS,
  ...PEER_COMMANDS,
  ...ZONE_COMMANDS,
  group("network", "Manage and attach instances to networks"),
  ...configVerbs({
    words: "network",
    one: "network",
    many: "network configurations",
    usage: NAME,
    names: 1,
    shape: "network",
    help: HELP,
    place: (context, [label = ""], target) => {
      const { client, name } = context.resource(label);
      return { client: client.onTarget(target), url: path("networks", name) };
    },
  }),
  command({
    name: "network list",
    usage: "[<remote>:]",
    summary: "List available networks",
    aliases: ["ls"],
    flags: FORMAT_FLAG,
    args: [0, 1],
    async run(context, [label = ""], { format }) {
      const { client } = context.resource(asRemote(label));
      const data = await client.get<Network[]>("/1.0/networks", { query: { recursion: 1 } });
      const shown = data.filter(({ type }) => type !== "loopback" && type !== "unknown");
      context.out.text(render({
        header: ["NAME", "TYPE", "MANAGED", "IPV4", "IPV6", "DESCRIPTION", "USED BY", "STATE"],
        rows: sortRows(shown.map((one) => [
          one.name,
          one.type,
          one.managed ? "YES" : "NO",
          one.config["ipv4.address"] ?? "",
          one.config["ipv6.address"] ?? "",
          one.description,
          String(one.used_by?.length ?? 0),
          one.status.toUpperCase(),
        ])),
        data,
        shape: shape("network"),
      }, format));
    },
  }),
  command({
    name: "network create",
    usage: `${NAME} [key=value...]`,
    summary: "Create new networks",
    flags: {
      ...TARGET_FLAG,
      type: { kind: "string", short: "t", summary: "Network type" },
    },
    args: [1, Infinity],
    async run(context, [label = "", ...pairs], { target, type }) {
      const { client, name } = context.resource(label);
      await client.onTarget(target).operate("POST", "/1.0/networks", {
        json: { name, type, config: parsePairs(pairs), description: "" },
      });
      context.out.say(`Network ${name} created`);
    },
  }),
  command({
    name: "network delete",
    usage: NAME,
    summary: "Delete networks",
    aliases: ["rm"],
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, name } = context.resource(label);
      await client.operate("DELETE", path("networks", name));
      context.out.say(`Network ${name} deleted`);
    },
  }),
  command({
    name: "network rename",
    usage: `${NAME} <new-name>`,
    summary: "Rename networks",
    aliases: ["mv"],
    args: [2, 2],
    async run(context, [label = "", newName = ""]) {
      const { client, name } = context.resource(label);
      await client.operate("POST", path("networks", name), { json: { name: newName } });
      context.out.say(`Network ${name} renamed to ${newName}`);
    },
  }),
  command({
    name: "network info",
    usage: NAME,
    summary: "Get runtime information on networks",
    flags: TARGET_FLAG,
    args: [1, 1],
    async run(context, [label = ""], { target }) {
      const { client, name } = context.resource(label);
      const url = path("networks", name, "state");
      const state = await client.onTarget(target).get<NetworkState>(url);
      context.out.text(networkInfo(name, state));
    },
  }),
  command({
    name: "network list-leases",
    usage: NAME,
    summary: "List DHCP leases",
    flags: FORMAT_FLAG,
    args: [1, 1],
    async run(context, [label = ""], { format }) {
      const { client, name } = context.resource(label);
      const data = await client.get<Lease[]>(path("networks", name, "leases"));
      context.out.text(render({
        header: ["HOSTNAME", "MAC ADDRESS", "IP ADDRESS", "TYPE"],
        rows: sortRows(data.map((one) => [
          one.hostname,
          one.hwaddr,
          one.address,
          one.type.toUpperCase(),
        ])),
        data,
        shape: shape("lease"),
      }, format));
    },
  }),
  attach("instances", "network attach", "instance"),
  attach("profiles", "network attach-profile", "profile"),
  detach("instances", "network detach", "instance"),
  detach("profiles", "network detach-profile", "profile"),
];

/** `remote` without its colon is meant as one too. */
export function asRemote(label: string): string {
  return label === "" || label.includes(":") ? label : `${label}:`;
}

function owner(context: Context, label: string, [kind, name]: readonly [string, string]) {
  const { client } = context.resource(label);
  return { client, url: path(kind, name) };
}

function attach(kind: string, name: string, what: string): Command {
  return command({
    name,
    usage: `${NAME} <${what}> [<device name>] [<interface name>]`,
    summary: `Attach network interfaces to ${what}s`,
    args: [2, 4],
    async run(context, [label = "", target = "", deviceName, interfaceName]) {
      const { client, name } = context.resource(label);
      const network = await client.get<Network>(path("networks", name));
      const device: Record<string, string> = network.managed
        ? { type: "nic", network: name }
        : { type: "nic", nictype: network.type === "bridge" ? "bridged" : "macvlan", parent: name };
      if (interfaceName !== undefined) device.name = interfaceName;
      await addDevice(owner(context, label, [kind, target]), deviceName ?? name, device);
    },
  });
}

function detach(kind: string, name: string, what: string): Command {
  return command({
    name,
    usage: `${NAME} <${what}> [<device name>]`,
    summary: `Detach network interfaces from ${what}s`,
    args: [2, 3],
    async run(context, [label = "", target = "", deviceName]) {
      const { name } = context.resource(label);
      await removeDevice(owner(context, label, [kind, target]), {
        name: deviceName,
        fits: ({ type, parent, network }) =>
          type === "nic" && (parent === name || network === name),
        what: "network",
      });
    },
  });
}
