/** network zone: DNS zones of networks, and records of one's own in them. */
import { type Command, command, group } from "#cli/command.ts";
import { path } from "#cli/context.ts";
import { update } from "#cli/keys.ts";
import { configVerbs } from "#cli/commands/config_verbs.ts";
import { type Part, partCommands, placeOf, type Thing, usedBy, without } from "./parts.ts";

interface Entry {
  readonly type: string;
  readonly ttl?: number;
  readonly value: string;
}

const ZONE = "[<remote>:]<Zone>";
const RECORD = "[<remote>:]<zone> <record>";

const PART: Part = {
  words: "network zone",
  title: "Network Zone",
  usage: ZONE,
  names: 1,
  shape: "zone",
  nameField: "name",
  collection: (context, [label = ""]) => ({
    client: context.resource(label).client,
    url: "/1.0/network-zones",
  }),
  columns: {
    "NAME": ({ name }) => String(name),
    "DESCRIPTION": ({ description }) => description,
    "USED BY": usedBy,
  },
};

const RECORDS: Part = {
  words: "network zone record",
  title: "Network zone record",
  usage: RECORD,
  names: 2,
  shape: "zoneRecord",
  nameField: "name",
  collection(context, [label = ""]) {
    const { client, name } = context.resource(label);
    return { client, url: path("network-zones", name, "records") };
  },
  columns: {
    "NAME": ({ name }) => String(name),
    "DESCRIPTION": ({ description }) => description,
    "ENTRIES": (record) =>
      entriesOf(record).map(({ type, value }) => `${type} ${value}`).join("\n"),
  },
};

const entriesOf = (record: Thing) => record["entries"] as Entry[] | null ?? [];

const ZONE_HELP = `A network zone consists of a set of configuration items.

An example would look like:
name: example.net
description: Internal domain
config:
  user.foo: bah

Note that only the description and configuration keys can be changed.`;

const RECORD_HELP = `A network zone record consists of a set of entries and configuration items.

An example would look like:
name: foo
description: SPF record
entries:
- type: TXT
  value: v=spf1 mx ~all
config:
  user.foo: bah

Note that the record name cannot be changed.`;

export const ZONE_COMMANDS: readonly Command[] = [
  group("network zone", "Manage network zones"),
  ...partCommands(PART),
  ...configVerbs({
    words: PART.words,
    one: "network zone",
    many: "network zone configurations",
    usage: ZONE,
    names: 1,
    shape: "zone",
    help: ZONE_HELP,
    hasNoTarget: true,
    place: (context, names) => placeOf(PART, context, names),
  }),
  group("network zone record", "Manage network zone records"),
  ...partCommands(RECORDS),
  ...configVerbs({
    words: RECORDS.words,
    one: "network zone record",
    many: "network zone record configurations",
    usage: RECORD,
    names: 2,
    shape: "zoneRecord",
    help: RECORD_HELP,
    hasNoTarget: true,
    place: (context, names) => placeOf(RECORDS, context, names),
  }),
  group("network zone record entry", "Manage network zone record entries"),
  command({
    name: "network zone record entry add",
    usage: `${RECORD} <type> <value>`,
    summary: "Add entries to a record",
    flags: { ttl: { kind: "int", summary: "Entry TTL" } },
    args: [4, 4],
    async run(context, [label = "", name = "", type = "", value = ""], { ttl }) {
      const { client, url } = placeOf(RECORDS, context, [label, name]);
      const entry: Entry = { type, value, ...(ttl > 0 ? { ttl } : {}) };
      await update(client, url, (record: Thing) => ({
        ...record,
        entries: [...entriesOf(record), entry],
      }));
    },
  }),
  command({
    name: "network zone record entry remove",
    usage: `${RECORD} <type> <value>`,
    summary: "Remove entries from a record",
    args: [4, 4],
    async run(context, [label = "", name = "", type, value]) {
      const { client, url } = placeOf(RECORDS, context, [label, name]);
      const fits = (entry: Entry) => entry.type === type && entry.value === value;
      await update(client, url, (record: Thing) => ({
        ...record,
        entries: without(entriesOf(record), fits, { force: true, what: "entry" }),
      }));
    },
  }),
];
