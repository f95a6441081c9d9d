/** storage volume: what users make of pools besides instances. */
import { type Command, command, FORMAT_FLAG, group, TARGET_FLAG } from "#cli/command.ts";
import { type Context, isNotFound, path } from "#cli/context.ts";
import { parsePairs } from "#cli/keys.ts";
import { shape } from "#cli/output/shape.ts";
import {
  addDevice,
  configVerbs,
  editThing,
  type Place,
  removeDevice,
} from "#cli/commands/config_verbs.ts";
import { toYaml } from "#cli/output/yaml.ts";
import { NO_SLASHES, parseVolume, parseWhole, placeOf, wholePlaceOf } from "./volume_names.ts";
import { listVolumes, volumeInfo } from "./volume_show.ts";

interface Volume {
  readonly content_type: string;
}

const POOL = "[<remote>:]<pool>";
const VOLUME = `${POOL} <volume>`;
const EITHER = `${VOLUME}[/<snapshot>]`;
/** "Never", as the API writes it. */
const NEVER = "0001-01-01T00:00:00Z";

const HELP = `A storage volume consists of a set of configuration items.

name: vol1
type: custom
used_by: []
config:
  size: "61203283968"`;

const place = (context: Context, names: readonly string[], target: string): Place =>
  placeOf(context, names, target);

const READ_ONLY = "Snapshots are read-only and can't have their configuration changed";

const isSnapshot = (volume = "") => parseVolume(volume).snapshot !== undefined;
const shapeOf = (volume: string | undefined) => isSnapshot(volume) ? "volumeSnapshot" : "volume";

/** The verbs that `wanted` means; show and edit also know the form of snapshots. */
const verbs = (usage: string, wanted: RegExp, where: typeof place) =>
  configVerbs({
    words: "storage volume",
    one: "storage volume",
    many: "storage volume configurations",
    usage,
    names: 2,
    shape: "volume",
    help: HELP,
    place: where,
  }).filter(({ name }) => wanted.test(name));

const VERBS = [
  ...verbs(EITHER, / get$/, place),
  ...verbs(VOLUME, / (un)?set$/, (context, names, target) => {
    parseWhole(names[1] ?? "", READ_ONLY);
    return placeOf(context, names, target);
  }),
];

export const VOLUME_COMMANDS: readonly Command[] = [
  group("storage volume", "Manage storage volumes", {
    description: "Unless specified through a prefix, all volume operations affect " +
      '"custom" (user created) volumes.',
  }),
  ...VERBS,
  command({
    name: "storage volume show",
    usage: EITHER,
    summary: "Show storage volume configurations",
    examples: [
      {
        call: "lxc storage volume show default data",
        what: 'Will show the properties of a custom volume called "data" in the "default" pool.',
      },
      {
        call: "lxc storage volume show default container/data",
        what: 'Will show the properties of the filesystem for a container called "data" in the ' +
          '"default" pool.',
      },
    ],
    flags: TARGET_FLAG,
    args: [2, 2],
    async run(context, names, { target }) {
      const { client, url } = place(context, names, target);
      context.out.text(toYaml(await client.get(url), shape(shapeOf(names[1]))));
    },
  }),
  command({
    name: "storage volume edit",
    usage: EITHER,
    summary: "Edit storage volume configurations as YAML",
    flags: TARGET_FLAG,
    args: [2, 2],
    run: (context, names, { target }) =>
      editThing(context, place(context, names, target), {
        one: isSnapshot(names[1]) ? "storage volume snapshot" : "storage volume",
        shape: shapeOf(names[1]),
        help: HELP,
      }),
  }),
  command({
    name: "storage volume list",
    usage: `${POOL} [<filter>...]`,
    summary: "List storage volumes",
    description: "The -c option takes a (optionally comma-separated) list of arguments\n" +
      "that control which attributes to output when displaying in table or csv format.\n\n" +
      "Column shorthand chars:\n" +
      "    c - Content type (filesystem or block)\n    d - Description\n" +
      "    e - Project name\n    L - Location of the instance (e.g. its cluster member)\n" +
      "    n - Name\n    t - Type of volume (custom, image, container or virtual-machine)\n" +
      "    u - Number of references (used by)\n    U - Current disk usage",
    aliases: ["ls"],
    flags: {
      ...FORMAT_FLAG,
      "all-projects": { kind: "bool", summary: "All projects" },
      columns: { kind: "string", short: "c", default: "etndcuL", summary: "Columns" },
    },
    args: [1, Infinity],
    run: listVolumes,
  }),
  command({
    name: "storage volume info",
    usage: VOLUME,
    summary: "Show storage volume state information",
    flags: TARGET_FLAG,
    args: [2, 2],
    run: volumeInfo,
  }),
  command({
    name: "storage volume create",
    usage: `${VOLUME} [key=value...]`,
    summary: "Create new custom storage volumes",
    flags: {
      ...TARGET_FLAG,
      type: {
        kind: "string",
        default: "filesystem",
        summary: "Content type, block or filesystem",
      },
    },
    args: [2, Infinity],
    async run(context, [label = "", volume = "", ...pairs], { target, type }) {
      const { client, pool } = placeOf(context, [label], target);
      const { type: kind, name } = parseWhole(volume, NO_SLASHES);
      await client.operate("POST", path("storage-pools", pool, "volumes", kind), {
        json: { name, type: kind, content_type: type, config: parsePairs(pairs), description: "" },
      });
      context.out.say(`Storage volume ${name} created`);
    },
  }),
  command({
    name: "storage volume delete",
    usage: EITHER,
    summary: "Delete storage volumes",
    examples: [{
      call: "lxc storage volume delete default image/<fingerprint>",
      what: "Delete the unpacked copy of an image from this pool; the image itself stays.",
    }],
    aliases: ["rm"],
    flags: TARGET_FLAG,
    args: [2, 2],
    async run(context, [pool = "", volume = ""], { target }) {
      const { client, url } = placeOf(context, [pool, volume], target);
      await context.operate(client, "DELETE", url);
      context.out.say(`Storage volume ${volume} deleted`);
    },
  }),
  command({
    name: "storage volume rename",
    usage: `${POOL} <old name>[/<old snapshot name>] <new name>[/<new snapshot name>]`,
    summary: "Rename storage volumes and storage volume snapshots",
    flags: TARGET_FLAG,
    args: [3, 3],
    async run(context, [label = "", from = "", to = ""], { target }) {
      const { client, url, volume } = placeOf(context, [label, from], target);
      const next = parseVolume(to);
      if (volume.snapshot !== undefined) {
        if (next.snapshot === undefined || next.name !== volume.name) {
          throw new Error("Invalid new snapshot name, parent must be the same as source");
        }
        await context.operate(client, "POST", url, { json: { name: next.snapshot } });
      } else {
        if (next.snapshot !== undefined) throw new Error(NO_SLASHES);
        await context.operate(client, "POST", url, { json: { name: next.name } });
      }
      context.out.say(`Renamed storage volume from "${from}" to "${to}"`);
    },
  }),
  command({
    name: "storage volume snapshot",
    usage: `${VOLUME} [<snapshot>]`,
    summary: "Snapshot storage volumes",
    flags: {
      ...TARGET_FLAG,
      "no-expiry": {
        kind: "bool",
        summary: "Ignore any configured auto-expiry for the storage volume",
      },
      reuse: {
        kind: "bool",
        summary: "If the snapshot name already exists, delete and create a new one",
      },
    },
    args: [2, 3],
    async run(context, [label = "", volume = "", name = ""], flags) {
      const { client, url } = wholePlaceOf(context, [label, volume], flags.target);
      if (flags.reuse && name !== "") {
        try {
          const old = `${url}/snapshots/${encodeURIComponent(name)}`;
          await context.operate(client, "DELETE", old);
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
      }
      await context.operate(client, "POST", `${url}/snapshots`, {
        json: { name, ...flags["no-expiry"] && { expires_at: NEVER } },
      });
    },
  }),
  command({
    name: "storage volume restore",
    usage: `${VOLUME} <snapshot>`,
    summary: "Restore storage volume snapshots",
    flags: TARGET_FLAG,
    args: [3, 3],
    async run(context, [label = "", volume = "", restore = ""], { target }) {
      const { client, url } = wholePlaceOf(context, [label, volume], target);
      const { metadata, etag } = await client.send<Record<string, unknown>>("GET", url);
      await context.operate(client, "PUT", url, { json: { ...metadata, restore }, etag });
    },
  }),
  attach("instances", "storage volume attach", "instance"),
  attach("profiles", "storage volume attach-profile", "profile"),
  detach("instances", "storage volume detach", "instance"),
  detach("profiles", "storage volume detach-profile", "profile"),
];

function attach(kind: string, name: string, what: string): Command {
  return command({
    name,
    usage: `${VOLUME} <${what}> [<device name>] [<path>]`,
    summary: `Attach new storage volumes to ${what}s`,
    args: [3, 5],
    async run(context, [label = "", volume = "", owner = "", ...rest]) {
      const { client, pool, url } = placeOf(context, [label, volume]);
      const { name: source, type } = parseWhole(volume);
      if (type !== "custom") {
        throw new Error(`Only "custom" volumes can be attached to ${what}s`);
      }
      const [first, second] = rest;
      const devicePath = second ?? first;
      if (devicePath === undefined) {
        const { content_type } = await client.get<Volume>(url);
        if (content_type !== "block") {
          throw new Error("A path is needed: where to mount the volume");
        }
      }
      await addDevice(
        { client, url: path(kind, owner) },
        second === undefined ? source : first ?? source,
        {
          type: "disk",
          pool,
          source,
          ...devicePath !== undefined && { path: devicePath },
        },
      );
    },
  });
}

function detach(kind: string, name: string, what: string): Command {
  return command({
    name,
    usage: `${VOLUME} <${what}> [<device name>]`,
    summary: `Detach storage volumes from ${what}s`,
    args: [3, 4],
    async run(context, [label = "", volume = "", owner = "", device]) {
      const { client, pool } = placeOf(context, [label, volume]);
      const { name: source } = parseWhole(volume);
      await removeDevice({ client, url: path(kind, owner) }, {
        name: device,
        fits: (one) => one.type === "disk" && one.pool === pool && one.source === source,
        what: "storage volume",
      });
    },
  });
}
