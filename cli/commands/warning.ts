/** warning: what the server found amiss on its machine. */
import { type Command, command, FORMAT_FLAG, group, UsageError } from "#cli/command.ts";
import { path } from "#cli/context.ts";
import { shape } from "#cli/output/shape.ts";
import { sortRows } from "#cli/output/sort.ts";
import { render } from "#cli/output/table.ts";
import { longTime } from "#cli/output/time.ts";
import { toYaml } from "#cli/output/yaml.ts";

interface Warning {
  readonly status: string;
  readonly uuid: string;
  readonly location: string;
  readonly project: string;
  readonly type: string;
  readonly count: number;
  readonly first_seen_at: string;
  readonly last_seen_at: string;
  readonly severity: string;
}

interface Column {
  readonly title: string;
  readonly cell: (warning: Warning) => string;
}

const COLUMNS: Readonly<Record<string, Column>> = {
  c: { title: "COUNT", cell: ({ count }) => String(count) },
  f: { title: "FIRST SEEN", cell: (warning) => longTime(warning.first_seen_at, true) },
  l: { title: "LAST SEEN", cell: (warning) => longTime(warning.last_seen_at, true) },
  L: { title: "LOCATION", cell: ({ location }) => location },
  p: { title: "PROJECT", cell: ({ project }) => project },
  s: { title: "SEVERITY", cell: ({ severity }) => severity.toUpperCase() },
  S: { title: "STATUS", cell: ({ status }) => status.toUpperCase() },
  t: { title: "TYPE", cell: ({ type }) => type },
  u: { title: "UUID", cell: ({ uuid }) => uuid },
};

const DEFAULT_COLUMNS = "utSscpLl";

/** @throws {UsageError} for letters that mean no column. */
function warningColumns(letters: string, isClustered: boolean): Column[] {
  const wanted = letters === DEFAULT_COLUMNS && !isClustered ? letters.replace("L", "") : letters;
  return wanted.split(",").flatMap((word) =>
    [...word].map((letter) => {
      const column = Object.hasOwn(COLUMNS, letter) ? COLUMNS[letter] : undefined;
      if (column === undefined) {
        throw new UsageError(`Unknown column shorthand char '${letter}' in '${word}'`);
      }
      if (letter === "L" && !isClustered) {
        throw new UsageError("Can't specify column L when not clustered");
      }
      return column;
    })
  );
}

const WARNING = "[<remote>:]<warning-uuid>";
const all = { kind: "bool", short: "a" } as const;

export const WARNING_COMMANDS: readonly Command[] = [
  group("warning", "Manage warnings"),
  command({
    name: "warning acknowledge",
    usage: WARNING,
    summary: "Acknowledge warning",
    aliases: ["ack"],
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, name } = context.resource(label);
      await client.send("PUT", path("warnings", name), { json: { status: "acknowledged" } });
    },
  }),
  command({
    name: "warning delete",
    usage: WARNING,
    summary: "Delete warning",
    aliases: ["rm"],
    flags: { all: { ...all, summary: "Delete all warnings" } },
    args: [1, 1],
    async run(context, [label = ""], flags) {
      const { client, name } = context.resource(label);
      if (!flags.all) return void await client.send("DELETE", path("warnings", name));
      if (name !== "") throw new UsageError("--all deletes every warning: name none");
      const warnings = await client.get<Warning[]>("/1.0/warnings", { query: { recursion: 1 } });
      for (const { uuid } of warnings) await client.send("DELETE", path("warnings", uuid));
    },
  }),
  command({
    name: "warning list",
    usage: "[<remote>:]",
    summary: "List warnings",
    description: `The -c option takes a (optionally comma-separated) list of arguments
that control which warning attributes to output when displaying in table
or csv format.

Default column layout is: ${DEFAULT_COLUMNS}

Column shorthand chars:

    c - Count
    l - Last seen
    L - Location
    f - First seen
    p - Project
    s - Severity
    S - Status
    u - UUID
    t - Type`,
    aliases: ["ls"],
    flags: {
      all: { ...all, summary: "List all warnings" },
      columns: { kind: "string", short: "c", default: DEFAULT_COLUMNS, summary: "Columns" },
      ...FORMAT_FLAG,
    },
    args: [0, 1],
    async run(context, [label = ""], flags) {
      const { client } = context.resource(label);
      const { environment } = await client.get<{ environment: { server_clustered: boolean } }>(
        "/1.0",
      );
      const columns = warningColumns(flags.columns, environment.server_clustered);
      const found = await client.get<Warning[]>("/1.0/warnings", { query: { recursion: 1 } });
      const warnings = found.filter(({ status }) => flags.all || status === "new");
      context.out.text(render({
        header: columns.map(({ title }) => title),
        rows: sortRows(warnings.map((warning) => columns.map(({ cell }) => cell(warning)))),
        data: warnings,
        shape: shape("warning"),
      }, flags.format));
    },
  }),
  command({
    name: "warning show",
    usage: WARNING,
    summary: "Show warning",
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, name } = context.resource(label);
      context.out.text(toYaml(await client.get(path("warnings", name)), shape("warning")));
    },
  }),
];
