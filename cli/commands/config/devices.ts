/** config device and profile device: the same verbs on instances and profiles. */
import type { Client } from "#api/client.ts";
import { type Command, command, group } from "#cli/command.ts";
import { type Context, path } from "#cli/context.ts";
import { parseKeyValues, parsePairs, update } from "#cli/keys.ts";
import { toYaml } from "#cli/output/yaml.ts";

type Device = Record<string, string>;
type Devices = Record<string, Device>;

interface Owner {
  devices: Devices | null;
  readonly expanded_devices?: Devices | null;
  [field: string]: unknown;
}

interface Kind {
  /** "config device" or "profile device". */
  readonly prefix: string;
  /** "instance" or "profile": as usage texts and, in the plural, URLs call it. */
  readonly noun: "instance" | "profile";
}

/** The verbs for one kind of owner; `override` only where devices are inherited. */
export function deviceCommands(kind: Kind): Command[] {
  return [
    group(kind.prefix, "Manage devices"),
    addCommand(kind),
    getCommand(kind),
    listCommand(kind),
    ...(kind.noun === "instance" ? [overrideCommand(kind)] : []),
    removeCommand(kind),
    setCommand(kind),
    showCommand(kind),
    unsetCommand(kind),
  ];
}

interface Place {
  readonly client: Client;
  readonly name: string;
  readonly url: string;
}

function placeOf(context: Context, { noun }: Kind, label: string): Place {
  const { client, name } = context.resource(label);
  if (name === "") throw new Error(`Missing ${noun} name`);
  return { client, name, url: path(`${noun}s`, name) };
}

async function readOwner({ client, url }: Place): Promise<Owner> {
  return await client.get<Owner>(url);
}

/** Change the devices of an instance or profile. */
async function change(place: Place, apply: (devices: Devices, owner: Owner) => void) {
  await update<Owner>(place.client, place.url, (owner) => {
    const devices = { ...owner.devices };
    apply(devices, owner);
    return { ...owner, devices };
  });
}

/** @throws if it has no such device; says so if a profile has it. */
function deviceOf(owner: Owner, name: string, verb: "retrieved" | "modified" | "removed"): Device {
  const device = owner.devices?.[name];
  if (device !== undefined) return device;
  if (owner.expanded_devices?.[name] === undefined) throw new Error("Device doesn't exist");
  const preposition = verb === "removed" ? "from" : "for";
  const hint = verb === "retrieved" ? "" : ". Override device or modify profile instead";
  throw new Error(
    `Device from profile(s) cannot be ${verb} ${preposition} individual instance${hint}`,
  );
}

const owner = ({ noun }: Kind) => `[<remote>:]<${noun}>`;

function addCommand(kind: Kind): Command {
  const call = `lxc ${kind.prefix} add [<remote>:]${kind.noun}1 <device-name> disk`;
  return command({
    name: `${kind.prefix} add`,
    usage: `${owner(kind)} <device> <type> [key=value...]`,
    summary: "Add instance devices",
    examples: [
      {
        call: `${call} source=/share/c1 path=/opt`,
        what: "Will mount the host's /share/c1 onto /opt in the instance.",
      },
      {
        call: `${call} pool=some-pool source=some-volume path=/opt`,
        what: "Will mount the some-volume volume on some-pool onto /opt in the instance.",
      },
    ],
    args: [3, Infinity],
    async run(context, [label = "", device = "", type = "", ...pairs]) {
      const place = placeOf(context, kind, label);
      for (const pair of pairs) {
        if (!pair.includes("=")) throw new Error(`No value found in "${pair}"`);
      }
      const keys = { ...parsePairs(pairs), type };
      await change(place, (devices) => {
        if (device in devices) throw new Error("The device already exists");
        devices[device] = keys;
      });
      context.out.say(`Device ${device} added to ${place.name}`);
    },
  });
}

function getCommand(kind: Kind): Command {
  return command({
    name: `${kind.prefix} get`,
    usage: `${owner(kind)} <device> <key>`,
    summary: "Get values for device configuration keys",
    args: [3, 3],
    async run(context, [label = "", device = "", key = ""]) {
      const found = await readOwner(placeOf(context, kind, label));
      context.out.line(deviceOf(found, device, "retrieved")[key] ?? "");
    },
  });
}

function listCommand(kind: Kind): Command {
  return command({
    name: `${kind.prefix} list`,
    usage: owner(kind),
    summary: "List instance devices",
    aliases: ["ls"],
    args: [1, 1],
    async run(context, [label = ""]) {
      const { devices } = await readOwner(placeOf(context, kind, label));
      context.out.line(Object.keys(devices ?? {}).toSorted().join("\n"));
    },
  });
}

function overrideCommand(kind: Kind): Command {
  return command({
    name: `${kind.prefix} override`,
    usage: `${owner(kind)} <device> [key=value...]`,
    summary: "Copy profile inherited devices and override configuration keys",
    args: [2, Infinity],
    async run(context, [label = "", device = "", ...pairs]) {
      const place = placeOf(context, kind, label);
      await change(place, (devices, { expanded_devices: inherited }) => {
        if (device in devices) throw new Error("The device already exists");
        const found = inherited?.[device];
        if (found === undefined) throw new Error("The profile device doesn't exist");
        devices[device] = { ...found, ...parsePairs(pairs) };
      });
      context.out.say(`Device ${device} overridden for ${place.name}`);
    },
  });
}

function removeCommand(kind: Kind): Command {
  return command({
    name: `${kind.prefix} remove`,
    usage: `${owner(kind)} <name>...`,
    summary: "Remove instance devices",
    aliases: ["rm"],
    args: [2, Infinity],
    async run(context, [label = "", ...names]) {
      const place = placeOf(context, kind, label);
      await change(place, (devices, found) => {
        for (const name of names) {
          deviceOf(found, name, "removed");
          delete devices[name];
        }
      });
      context.out.say(`Device ${names.join(", ")} removed from ${place.name}`);
    },
  });
}

function setCommand(kind: Kind): Command {
  return command({
    name: `${kind.prefix} set`,
    usage: `${owner(kind)} <device> <key>=<value>...`,
    summary: "Set device configuration keys",
    description: "For backward compatibility, a single configuration key may still be set with:\n" +
      `    lxc ${kind.prefix} set ${owner(kind)} <device> <key> <value>`,
    args: [3, Infinity],
    async run(context, [label = "", device = "", ...pairs]) {
      const values = parseKeyValues(pairs);
      await change(placeOf(context, kind, label), (devices, found) => {
        devices[device] = withKeys(deviceOf(found, device, "modified"), values);
      });
    },
  });
}

/** An empty value takes the key away. */
function withKeys(device: Device, values: Readonly<Record<string, string>>): Device {
  const entries = Object.entries({ ...device, ...values });
  return Object.fromEntries(entries.filter(([, value]) => value !== ""));
}

function showCommand(kind: Kind): Command {
  return command({
    name: `${kind.prefix} show`,
    usage: owner(kind),
    summary: "Show full device configuration",
    args: [1, 1],
    async run(context, [label = ""]) {
      const { devices } = await readOwner(placeOf(context, kind, label));
      context.out.text(toYaml(devices ?? {}));
    },
  });
}

function unsetCommand(kind: Kind): Command {
  return command({
    name: `${kind.prefix} unset`,
    usage: `${owner(kind)} <device> <key>`,
    summary: "Unset device configuration keys",
    args: [3, 3],
    async run(context, [label = "", device = "", key = ""]) {
      await change(placeOf(context, kind, label), (devices, found) => {
        devices[device] = withKeys(deviceOf(found, device, "modified"), { [key]: "" });
      });
    },
  });
}
