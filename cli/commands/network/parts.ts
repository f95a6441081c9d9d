/** What ACLs, forwards, zones and peers of networks have in common on the command line. */
import type { Client } from "#api/client.ts";
import { parseYaml } from "#api/yaml.ts";
import { type Command, command, FORMAT_FLAG } from "#cli/command.ts";
import type { Context } from "#cli/context.ts";
import { coerce } from "#cli/coerce.ts";
import { splitPair } from "#cli/keys.ts";
import { shape } from "#cli/output/shape.ts";
import { sortRows } from "#cli/output/sort.ts";
import { render } from "#cli/output/table.ts";
import { readStdin } from "#cli/stdin.ts";
import type { Place } from "#cli/commands/config_verbs.ts";

export interface Thing {
  readonly config: Readonly<Record<string, string>>;
  readonly description: string;
  [field: string]: unknown;
}

export interface Part {
  /** "network acl" */
  readonly words: string;
  /** In messages: "Network ACL". */
  readonly title: string;
  /** "[<remote>:]<ACL>" and how many arguments it stands for. */
  readonly usage: string;
  readonly names: number;
  readonly shape: Parameters<typeof shape>[0];
  /** Where all of them are; the last name is not looked at. */
  collection(context: Context, names: readonly string[]): Place;
  /** Name of the field that a new one gets its name in. */
  readonly nameField: string;
  readonly columns: Readonly<Record<string, (thing: Thing) => string>>;
  readonly flags?: Readonly<Record<string, { kind: "string"; summary: string }>>;
}

/** Where a part is in the API, by the names that the command got. */
export function placeOf(part: Part, context: Context, names: readonly string[]): Place {
  const { client, url } = part.collection(context, names);
  const name = lastName(context, names, part.names);
  return { client, url: `${url}/${encodeURIComponent(name)}` };
}

/** The first argument may have a remote before it. */
function lastName(context: Context, names: readonly string[], count: number): string {
  const last = names[count - 1] ?? "";
  return count === 1 ? context.split(last).name : last;
}

/** `list`, `create` and `delete`. */
export function partCommands(part: Part): Command[] {
  const { words, title, usage, names, flags = {} } = part;
  const what = title.charAt(0).toLowerCase() + title.slice(1);
  return [
    command({
      name: `${words} list`,
      usage: usage.split(" ").slice(0, -1).join(" ") || "[<remote>:]",
      summary: `List available ${what}s`,
      aliases: ["ls"],
      flags: FORMAT_FLAG,
      args: names === 1 ? [0, 1] : [names - 1, names - 1],
      async run(context, args, { format }) {
        const [first = ""] = args;
        const label = names > 1 || first === "" || first.includes(":") ? first : `${first}:`;
        const { client, url } = part.collection(context, [label]);
        const data = await client.get<Thing[]>(url, { query: { recursion: 1 } });
        context.out.text(render({
          header: Object.keys(part.columns),
          rows: sortRows(data.map((thing) => Object.values(part.columns).map((of) => of(thing)))),
          data,
          shape: shape(part.shape),
        }, format));
      },
    }),
    command({
      name: `${words} create`,
      usage: `${usage} [key=value...]`,
      summary: `Create ${what}s`,
      flags,
      args: [names, Infinity],
      async run(context, args) {
        const { client, url } = part.collection(context, args);
        const name = lastName(context, args, names);
        await create(client, url, { [part.nameField]: name }, args.slice(names));
        context.out.say(`${title} ${name} created`);
      },
    }),
    command({
      name: `${words} delete`,
      usage,
      summary: `Delete ${what}s`,
      aliases: ["rm"],
      flags,
      args: [names, names],
      async run(context, args) {
        const { client, url } = placeOf(part, context, args);
        await client.operate("DELETE", url);
        context.out.say(`${title} ${lastName(context, args, names)} deleted`);
      },
    }),
  ];
}

/** What stdin has (YAML), with the given configuration over it. */
async function create(
  client: Client,
  url: string,
  name: Readonly<Record<string, string>>,
  pairs: readonly string[],
): Promise<void> {
  const text = Deno.stdin.isTerminal() ? "" : readStdin();
  const given = (text.trim() === "" ? {} : coerce(parseYaml(text))) as Partial<Thing>;
  const config = { ...given.config, ...Object.fromEntries(pairs.map(splitPair)) };
  await client.operate("POST", url, { json: { ...given, ...name, config } });
}

/** Take out what fits; more than one needs --force. */
export function without<T>(
  all: readonly T[],
  fits: (one: T) => boolean,
  options: { readonly force: boolean; readonly what: string },
): T[] {
  const found = all.filter(fits);
  if (found.length === 0) throw new Error(`No matching ${options.what}(s) found`);
  if (found.length > 1 && !options.force) {
    throw new Error(`Multiple ${options.what}s match. Use --force to remove them all`);
  }
  return all.filter((one) => !fits(one));
}

/** A cell: by how many it is used. */
export const usedBy = ({ used_by }: Thing) => String((used_by as string[] | null)?.length ?? 0);
