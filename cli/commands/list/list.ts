/** list: instances. */
import { type Command, command, FORMAT_FLAG, UsageError } from "#cli/command.ts";
import type { Context } from "#cli/context.ts";
import { shape } from "#cli/output/shape.ts";
import { sortRows } from "#cli/output/sort.ts";
import { FORMATS, render } from "#cli/output/table.ts";
import { type Column, DEFAULT_COLUMNS, FAST_COLUMNS, parseColumns } from "./columns.ts";
import { parseFilters } from "./filters.ts";
import { LIST_DESCRIPTION } from "./help.ts";
import type { Instance } from "./instance.ts";

export const LIST_COMMANDS: readonly Command[] = [
  command({
    name: "list",
    usage: "[<remote>:] [<filter>...]",
    summary: "List instances",
    description: LIST_DESCRIPTION,
    aliases: ["ls"],
    examples: [
      {
        call: "lxc list -c nFs46,volatile.eth0.hwaddr:MAC,config:image.os,devices:eth0.parent:ETHP",
        what: "Show instances using letters, keys of the configuration and a key of a device.",
      },
      {
        call: "lxc list -c ns,user.comment:comment",
        what: "List instances with their running state and user comment.",
      },
    ],
    flags: {
      "all-projects": { kind: "bool", summary: "Display instances from all projects" },
      columns: { kind: "string", short: "c", default: DEFAULT_COLUMNS, summary: "Columns" },
      fast: { kind: "bool", summary: `Fast mode (same as --columns=${FAST_COLUMNS})` },
      ...FORMAT_FLAG,
    },
    args: [0, Infinity],
    async run(context, args, { columns: text, fast, format, "all-projects": everywhere }) {
      if (everywhere && (context.options.project ?? "") !== "") {
        throw new UsageError("Can't specify --project with --all-projects");
      }
      const { client, texts } = remoteAndFilters(context, args);
      const isDefault = text === DEFAULT_COLUMNS;
      if (fast && !isDefault) throw new UsageError("Can't specify --fast with --columns");
      if (!(FORMATS as readonly string[]).includes(format)) {
        throw new UsageError(`Invalid format "${format}"`);
      }
      const columns = wantedColumns({ text: fast ? FAST_COLUMNS : text, everywhere, isDefault });
      const filters = parseFilters(texts);
      const full = filters.full || columns.some((column) => column.full);
      const found = await client.get<Instance[]>("/1.0/instances", {
        query: { recursion: full ? 2 : 1, "all-projects": everywhere || undefined },
      });
      const instances = found.filter(filters.matches);
      const rows = instances.map((one) => columns.map(({ cell }) => cell(one)));
      const empty = { backups: null, state: null, snapshots: null };
      context.out.text(render({
        header: columns.map(({ title }) => title),
        rows: sortRows(rows),
        data: full ? instances : instances.map((one) => ({ ...one, ...empty })),
        shape: shape("instanceFull"),
      }, format));
    },
  }),
];

/** `remote:` may stand before the filters. */
function remoteAndFilters(context: Context, args: readonly string[]) {
  const [first = "", ...rest] = args;
  const isRemote = first.includes(":") && !first.includes("=");
  const { client, name } = context.resource(isRemote ? first : "");
  if (!isRemote) return { client, texts: args };
  return { client, texts: name === "" ? rest : [name, ...rest] };
}

interface Wish {
  readonly text: string;
  readonly everywhere: boolean;
  readonly isDefault: boolean;
}

/** There are no clusters, so a location says nothing: who didn't ask for it does without it. */
function wantedColumns({ text, everywhere, isDefault }: Wish): Column[] {
  const letters = isDefault ? text.replace("L", "") : text;
  return parseColumns(isDefault && everywhere ? `e${letters}` : letters, { clustered: false });
}
