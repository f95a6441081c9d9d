/** warning: what the server noticed and an administrator should know. */
import { type Command, command, FORMAT_FLAG, group, UsageError } from "#cli/command.ts";
import { type Context, path } from "#cli/context.ts";
import { shape } from "#cli/output/shape.ts";
import { render } from "#cli/output/table.ts";
import { shortTime } from "#cli/output/time.ts";
import { toYaml } from "#cli/output/yaml.ts";
import { asRemote } from "./network/network.ts";

interface Warning {
  readonly uuid: string;
  readonly location: string;
  readonly project: string;
  readonly type: string;
  readonly count: number;
  readonly first_seen_at: string;
  readonly last_seen_at: string;
  readonly severity: string;
  readonly status: string;
}

const WARNING = "[<remote>:]<warning-uuid>";
const DEFAULT_COLUMNS = "utSscpLl";

/** Letter -> title and cell. */
const COLUMNS: Readonly<Record<string, readonly [string, (warning: Warning) => string]>> = {
  c: ["COUNT", ({ count }) => String(count)],
  l: ["LAST SEEN", ({ last_seen_at }) => shortTime(last_seen_at)],
  L: ["LOCATION", ({ location }) => location],
  f: ["FIRST SEEN", ({ first_seen_at }) => shortTime(first_seen_at)],
  p: ["PROJECT", ({ project }) => project],
  s: ["SEVERITY", ({ severity }) => severity.toUpperCase()],
  S: ["STATUS", ({ status }) => status.toUpperCase()],
  u: ["UUID", ({ uuid }) => uuid],
  t: ["TYPE", ({ type }) => type],
};

function chosenColumns(text: string) {
  // A server of its own has no locations to tell apart.
  const letters = text === DEFAULT_COLUMNS ? text.replace("L", "") : text.replaceAll(",", "");
  return [...letters].map((letter) => {
    const column = COLUMNS[letter];
    if (column !== undefined) return column;
    throw new UsageError(`Unknown column shorthand char '${letter}' in '${text}'`);
  });
}

function warningOf(context: Context, label: string) {
  const { client, name } = context.resource(label);
  return { client, name, url: path("warnings", name) };
}

export const WARNING_COMMANDS: readonly Command[] = [
  group("warning", "Manage warnings"),
  command({
    name: "warning acknowledge",
    usage: WARNING,
    summary: "Acknowledge warning",
    aliases: ["ack"],
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, url } = warningOf(context, label);
      await client.operate("PUT", url, { json: { status: "acknowledged" } });
    },
  }),
  command({
    name: "warning delete",
    usage: WARNING,
    summary: "Delete warning",
    aliases: ["rm"],
    flags: { all: { kind: "bool", short: "a", summary: "Delete all warnings" } },
    args: [0, 1],
    async run(context, [label = ""], { all }) {
      const { client, name, url } = warningOf(context, asRemote(label));
      if (!all) {
        if (label === "") throw new UsageError("Specify a warning UUID or use --all");
        const one = warningOf(context, label);
        await one.client.operate("DELETE", one.url);
        return;
      }
      if (name !== "") throw new UsageError("No need to specify a warning UUID when using --all");
      const data = await client.get<Warning[]>("/1.0/warnings", { query: { recursion: 1 } });
      for (const { uuid } of data) await client.operate("DELETE", `${url}/${uuid}`);
    },
  }),
  command({
    name: "warning list",
    usage: "[<remote>:]",
    summary: "List warnings",
    aliases: ["ls"],
    flags: {
      ...FORMAT_FLAG,
      all: { kind: "bool", short: "a", summary: "List all warnings" },
      columns: { kind: "string", short: "c", default: DEFAULT_COLUMNS, summary: "Columns" },
    },
    args: [0, 1],
    async run(context, [label = ""], { all, columns, format }) {
      const { client } = context.resource(asRemote(label));
      const chosen = chosenColumns(columns);
      const found = await client.get<Warning[]>("/1.0/warnings", { query: { recursion: 1 } });
      const data = found.filter(({ status }) => all || status === "new");
      context.out.text(render({
        header: chosen.map(([title]) => title),
        rows: data.map((warning) => chosen.map(([, cell]) => cell(warning))),
        data,
        shape: shape("warning"),
      }, format));
    },
  }),
  command({
    name: "warning show",
    usage: WARNING,
    summary: "Show warning",
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, url } = warningOf(context, label);
      context.out.text(toYaml(await client.get(url), shape("warning")));
    },
  }),
];
