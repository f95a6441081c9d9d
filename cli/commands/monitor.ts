/** monitor: what happens on a server, as it happens. */
import type { EventObject } from "#api/envelope.ts";
import { type Command, command, UsageError } from "#cli/command.ts";
import { toJson } from "#cli/output/json.ts";
import { toYaml } from "#cli/output/yaml.ts";

const LEVELS = ["trace", "debug", "info", "warning", "error", "fatal", "panic"];

export const MONITOR_COMMANDS: readonly Command[] = [
  command({
    name: "monitor",
    usage: "[<remote>:]",
    summary: "Monitor a local or remote LXD server",
    description: "By default the monitor will listen to all message types.",
    uncommon: true,
    examples: [
      { call: "lxc monitor --type=logging", what: "Only show log messages." },
      {
        call: "lxc monitor --pretty --type=logging --loglevel=info",
        what: "Show a pretty log of messages with info level or higher.",
      },
      { call: "lxc monitor --type=lifecycle", what: "Only show lifecycle events." },
    ],
    flags: {
      "all-projects": { kind: "bool", summary: "Show events from all projects" },
      format: {
        kind: "string",
        short: "f",
        default: "yaml",
        summary: "Format (json|pretty|yaml)",
      },
      loglevel: {
        kind: "string",
        summary: "Minimum level for log messages (only available when using pretty format)",
      },
      pretty: { kind: "bool", summary: "Pretty rendering (short for --format=pretty)" },
      type: { kind: "list", summary: "Event type to listen for" },
    },
    args: [0, 1],
    async run(context, [label = ""], flags) {
      const format = flags.pretty ? "pretty" : flags.format;
      if (!["json", "pretty", "yaml"].includes(format)) {
        throw new UsageError(`Invalid format: ${format}`);
      }
      if (flags.loglevel !== "" && format !== "pretty") {
        throw new UsageError("Log level filtering can only be used with pretty formatting");
      }
      const least = levelOf(flags.loglevel || "trace");
      const { client, name } = context.resource(label);
      if (name !== "") throw new UsageError("Can't specify an instance");
      const events = client.events({ types: flags.type, allProjects: flags["all-projects"] });
      for await (const event of events) {
        if (format === "json") context.out.line(`${toJson(sorted(event))}\n`);
        else if (format === "yaml") context.out.text(`${toYaml(sorted(event))}\n\n`);
        else {
          const line = prettyLine(event);
          if (line.level >= least) context.out.line(line.text);
        }
      }
      throw new Error("the server has closed the connection");
    },
  }),
];

function levelOf(name: string): number {
  const index = LEVELS.indexOf(name === "warn" ? "warning" : name);
  if (index < 0) throw new UsageError(`not a valid level: "${name}"`);
  return index;
}

/** Fields by their names, as scripts know them. */
function sorted(event: EventObject): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(event).filter(([, value]) => value !== "" && value !== undefined)
      .sort(([a], [b]) => a < b ? -1 : 1),
  );
}

/** An event as a line of a log. Pure. */
export function prettyLine(event: EventObject): { level: number; text: string } {
  const metadata = new Map(Object.entries(event.metadata ?? {}));
  const text = (key: string) => String(metadata.get(key) ?? "");
  let level = "info";
  let message: string;
  let rest: [string, unknown][];
  if (event.type === "logging") {
    level = text("level") || "info";
    message = text("message");
    rest = Object.entries(metadata.get("context") ?? {});
  } else if (event.type === "lifecycle") {
    message = `Action: ${text("action")}, Source: ${text("source")}`;
    rest = Object.entries(metadata.get("context") ?? {});
  } else {
    message = `ID: ${text("id")}, Class: ${text("class")}, Description: ${text("description")}`;
    const shown = ["created_at", "err", "location", "may_cancel", "resources", "status"];
    rest = [...shown, "updated_at"].map((key) => [key, metadata.get(key) ?? ""]);
  }
  const known = level === "warn" ? "warning" : level;
  const index = LEVELS.indexOf(known);
  const time = event.timestamp.replace(/\.\d+/, "");
  const fields = rest.sort(([a], [b]) => a < b ? -1 : 1)
    .map(([key, value]) => ` ${key}=${quoted(value)}`);
  return {
    level: index < 0 ? LEVELS.indexOf("info") : index,
    text: `time="${time}" level=${known} msg=${quoted(message)}${fields.join("")}`,
  };
}

function quoted(value: unknown): string {
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return /^[\w./@:+^-]*$/.test(text) ? text : JSON.stringify(text);
}
