/** The text of --help, in LXD's layout. Pure. */
import { type Command, type FlagSpec, type FlagSpecs, GLOBAL_FLAGS } from "./command.ts";
import { childrenOf, nameOf } from "./registry_rules.ts";

export interface HelpOptions {
  /** "lxc" or "lxd". */
  readonly program: "lxc" | "lxd";
  readonly all: boolean;
  /** Also the commands below the commands. */
  readonly deep: boolean;
}

const INTRODUCTION = {
  lxc: "Command line client for LXD\n\n  All of LXD's features can be driven through the various " +
    "commands below.\n  For help with any of those, simply call them with --help.",
  lxd: "System container manager: daemon, client and tools in one program\n\n  Without a command " +
    "it is the daemon. For help with a command, call it with --help.",
};

/** Help of the program itself. */
export function programHelp(commands: readonly Command[], options: HelpOptions): string {
  return [
    `Description:\n  ${INTRODUCTION[options.program]}\n`,
    `Usage:\n  ${options.program} [command]\n`,
    commandList(commands, "", options),
    `Flags:\n${flagLines(GLOBAL_FLAGS)}`,
    `Use "${options.program} [command] --help" for more information about a command.\n`,
  ].join("\n");
}

/** Help of one command or group. */
export function commandHelp(
  commands: readonly Command[],
  command: Command,
  options: HelpOptions,
): string {
  const description = [command.summary, command.description].filter((text) => text).join("\n\n");
  return `Description:\n${indented(description)}\n\n${commandUsage(commands, command, options)}`;
}

/** How it is called: what is said to whoever calls a group without one of its commands. */
export function commandUsage(
  commands: readonly Command[],
  command: Command,
  options: HelpOptions,
): string {
  const name = nameOf(command, options.program);
  const children = childrenOf(commands, name, options.program);
  const parts = [usageText(command, options, children.length > 0)];
  const last = name.split(" ").at(-1);
  if (command.aliases?.length) parts.push(`Aliases:\n  ${[last, ...command.aliases].join(", ")}\n`);
  if (command.examples?.length) {
    const lines = command.examples.map(({ call, what }) => `  ${call}\n    ${what}\n`);
    parts.push(`Examples:\n${lines.join("\n")}`);
  }
  if (children.length > 0) parts.push(commandList(commands, name, { ...options, all: true }));
  parts.push(flagSections(command));
  if (children.length > 0) {
    const call = `${options.program} ${name}`;
    parts.push(`Use "${call} [command] --help" for more information about a command.\n`);
  }
  return parts.join("\n");
}

function usageText(command: Command, options: HelpOptions, hasChildren: boolean): string {
  const call = `${options.program} ${nameOf(command, options.program)}`;
  const flags = command.usage.includes("[flags]") ? "" : " [flags]";
  const own = `  ${[call, command.usage].filter(Boolean).join(" ")}${flags}`.trimEnd();
  return `Usage:\n${own}\n${hasChildren ? `  ${call} [command]\n` : ""}`;
}

function flagSections(command: Command): string {
  const { all: _, ...global } = GLOBAL_FLAGS;
  const own = Object.keys(command.flags).length > 0;
  const globals = Object.fromEntries(
    Object.entries(global).filter(([name]) => !(name in command.flags)),
  );
  return (own ? `Flags:\n${flagLines(command.flags)}\n` : "") +
    `Global Flags:\n${flagLines(globals)}`;
}

function commandList(
  commands: readonly Command[],
  prefix: string,
  options: HelpOptions,
): string {
  const rows = listRows(commands, prefix, options, 0);
  const widest = rows.reduce((width, [name]) => Math.max(width, name.length), 11);
  const lines = rows.map(([name, summary]) => `  ${name.padEnd(widest)} ${summary}\n`);
  return `Available Commands:\n${lines.join("")}`;
}

function listRows(
  commands: readonly Command[],
  prefix: string,
  options: HelpOptions,
  depth: number,
): [string, string][] {
  const rows: [string, string][] = [];
  const children = childrenOf(commands, prefix, options.program)
    .filter((child) => options.all || !child.uncommon);
  if (prefix === "") children.push(HELP_ROW);
  const named = children.map((child) => ({ child, name: nameOf(child, options.program) }));
  for (const { child, name } of named.sort((a, b) => a.name < b.name ? -1 : 1)) {
    rows.push([`${"  ".repeat(depth)}${name.split(" ").at(-1)}`, child.summary]);
    if (options.deep) rows.push(...listRows(commands, name, options, depth + 1));
  }
  return rows;
}

const HELP_ROW: Command = {
  name: "help",
  usage: "",
  summary: "Help about any command",
  flags: {},
  args: [0, 0],
};

function flagLines(flags: FlagSpecs): string {
  const rows = Object.entries(flags).sort(([a], [b]) => a < b ? -1 : 1)
    .map(([name, spec]) => [flagName(name, spec), flagSummary(spec)] as const);
  const widest = rows.reduce((width, [name]) => Math.max(width, name.length), 0);
  return rows.map(([name, summary]) => `  ${name.padEnd(widest)}   ${summary}\n`).join("");
}

/** "-f, --format" */
export function flagName(name: string, spec: FlagSpec): string {
  const bare = spec.kind === "optional" ? `[="${spec.bare ?? ""}"]` : "";
  return `${spec.short ? `-${spec.short}, ` : "    "}--${name}${bare}`;
}

/** With its default, where it has one. */
export function flagSummary(spec: FlagSpec): string {
  if (spec.default === undefined || spec.default === "" || spec.default === 0) return spec.summary;
  const text = typeof spec.default === "number" ? spec.default : JSON.stringify(spec.default);
  return `${spec.summary} (default ${text})`;
}

function indented(text: string): string {
  return text.split("\n").map((line) => line === "" ? "" : `  ${line}`).join("\n");
}
