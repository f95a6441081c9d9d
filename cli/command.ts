/** What a command is: a row of the table in registry.ts. Help, parsing and typo hints derive from it. */
import type { Context } from "./context.ts";

/**
 * A flag. `bool` has no value, `list` may be repeated, `optional` takes its value only as
 * `--flag=value` (bare it means `bare`).
 */
export interface FlagSpec {
  readonly kind: "bool" | "string" | "int" | "list" | "optional";
  readonly short?: string;
  readonly default?: string | number;
  readonly bare?: string;
  readonly summary: string;
}

export type FlagSpecs = Readonly<Record<string, FlagSpec>>;

type FlagValue<Spec extends FlagSpec> = Spec["kind"] extends "bool" ? boolean
  : Spec["kind"] extends "int" ? number
  : Spec["kind"] extends "list" ? string[]
  : string;

/** Values of the flags by name; a text flag that wasn't given is its default or "". */
export type FlagsOf<Specs extends FlagSpecs> = {
  readonly [Name in keyof Specs]: FlagValue<Specs[Name]>;
};

export interface Example {
  readonly call: string;
  readonly what: string;
}

export interface Command {
  /** The words after the program's name: "config device add". */
  readonly name: string;
  /** What follows the words: "[<remote>:]<instance> <device>". */
  readonly usage: string;
  readonly summary: string;
  /** More than the summary, for --help. */
  readonly description?: string;
  /** Other last words: "ls" for "list". */
  readonly aliases?: readonly string[];
  readonly examples?: readonly Example[];
  /** Only shown with --all. */
  readonly uncommon?: boolean;
  /**
   * Under which name of the program it exists; both unless it says otherwise. `lxdName` is what it
   * is called under `lxd` where a word of the server has taken its name.
   */
  readonly only?: "lxc" | "lxd";
  readonly lxdName?: string;
  readonly flags: FlagSpecs;
  /** Least and most number of arguments. */
  readonly args: readonly [least: number, most: number];
  /** Absent in a group, which only has commands below it. */
  readonly run?: (
    context: Context,
    args: readonly string[],
    flags: Readonly<Record<string, unknown>>,
  ) => Promise<number | void>;
}

export interface CommandSpec<Specs extends FlagSpecs> extends Omit<Command, "flags" | "run"> {
  readonly flags?: Specs;
  readonly run: (
    context: Context,
    args: readonly string[],
    flags: FlagsOf<Specs>,
  ) => Promise<number | void>;
}

/** A command with its flags typed. */
export function command<const Specs extends FlagSpecs>(spec: CommandSpec<Specs>): Command {
  const { run, flags, ...rest } = spec;
  return {
    ...rest,
    flags: flags ?? {},
    run: (context, args, values) => run(context, args, values as FlagsOf<Specs>),
  };
}

/** A word with commands below it. */
export function group(name: string, summary: string, options: Partial<Command> = {}): Command {
  return { name, summary, usage: "[flags]", flags: {}, args: [0, 0], ...options };
}

/** Flags of every command. */
export const GLOBAL_FLAGS = {
  all: { kind: "bool", summary: "Show less common commands" },
  debug: { kind: "bool", summary: "Show all debug messages" },
  "force-local": { kind: "bool", summary: "Force using the local unix socket" },
  help: { kind: "bool", short: "h", summary: "Print help" },
  project: { kind: "string", summary: "Override the source project" },
  quiet: { kind: "bool", short: "q", summary: "Don't show progress information" },
  "sub-commands": { kind: "bool", summary: "Use with help or --help to view sub-commands" },
  verbose: { kind: "bool", short: "v", summary: "Show all information messages" },
  version: { kind: "bool", summary: "Print version number" },
} as const satisfies FlagSpecs;

/** Of the server's own commands too: service files and scripts hand them over. */
export const SERVER_FLAGS = {
  debug: { kind: "bool", short: "d", summary: "Show all debug messages" },
  logfile: { kind: "string", summary: "Path to the log file (of the daemon)" },
  syslog: { kind: "bool", summary: "Log to syslog (of the daemon)" },
  trace: { kind: "list", summary: "Log tracing targets (of the daemon)" },
} as const satisfies FlagSpecs;

/** Many commands list things. */
export const FORMAT_FLAG = {
  format: {
    kind: "string",
    short: "f",
    default: "table",
    summary: "Format (csv|json|table|yaml|compact)",
  },
} as const satisfies FlagSpecs;

export const TARGET_FLAG = {
  target: { kind: "string", summary: "Cluster member name" },
} as const satisfies FlagSpecs;

/** A wrong call: the message says what is wrong. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

/** Thrown by a part of the client for what only the whole one can do, before anything has been done. */
export class ForWhole extends Error {
  override readonly name = "ForWhole";

  /** @param stdin what was read from standard input already. */
  constructor(readonly stdin?: string) {
    super("this is for the whole client");
  }
}

/** Too few or too many arguments: the command's help is shown. */
export class WrongCount extends UsageError {
  override readonly name = "WrongCount";

  constructor(message = "Invalid number of arguments") {
    super(message);
  }
}
