/** One call of the client: words -> command -> exit status. */
import { ClientError } from "#api/client.ts";
import type { Program } from "#base/program.ts";
import { isClientName } from "#base/program.ts";
import { LXD_COMPAT_VERSION } from "#base/version.ts";
import { DEFAULT_ALIASES, expandAlias } from "./aliases.ts";
import { type Command, GLOBAL_FLAGS, UsageError } from "./command.ts";
import { parseFlags } from "./flags.ts";
import { Context } from "./context.ts";
import { commandHelp, programHelp } from "./help.ts";
import { Output, processStreams } from "./output/output.ts";
import { COMMANDS } from "./registry.ts";
import { findCommand, type ProgramName } from "./registry_rules.ts";
import { loadConfig } from "./remotes.ts";

/** Run the client. @returns the exit status: 0, 1, or that of the command in `exec`. */
export async function main(program: Program): Promise<number> {
  const name: ProgramName = isClientName(program.argv0) ? "lxc" : "lxd";
  const args = program.args;
  if (args.length === 1 && args[0] === "--version") {
    processStreams(false).writeOut(new TextEncoder().encode(`${LXD_COMPAT_VERSION}\n`));
    return 0;
  }
  const quiet = args.includes("-q") || args.includes("--quiet");
  const out = new Output(processStreams(quiet));
  try {
    return await dispatch({ program, name, out, args });
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return 0;
    try {
      out.error(`Error: ${messageOf(error)}`);
      if (args.includes("--debug") && error instanceof Error) out.error(error.stack ?? "");
    } catch {
      // Ignored: nobody listens any more.
    }
    return 1;
  }
}

interface Call {
  readonly program: Program;
  readonly name: ProgramName;
  readonly out: Output;
  readonly args: readonly string[];
}

async function dispatch({ program, name, out, args }: Call): Promise<number> {
  const words = withAliases(args, name);
  const isHelp = words[0] === "help";
  const found = findCommand(COMMANDS, isHelp ? words.slice(1) : words, name);
  const specs = { ...GLOBAL_FLAGS, ...found.command?.flags };
  const parsed = parseFlags(found.rest, specs);
  const flags = parsed.flags;
  const help = { program: name, all: flags.all === true, deep: flags["sub-commands"] === true };
  if (flags.version === true && found.command === undefined) {
    out.line(LXD_COMPAT_VERSION);
    return 0;
  }
  if (found.command === undefined) {
    out.text(programHelp(COMMANDS, help));
    return 0;
  }
  const { command } = found;
  if (isHelp || flags.help === true || command.run === undefined) {
    out.text(commandHelp(COMMANDS, command, help));
    return 0;
  }
  const [leastNames, most] = command.args;
  const least = "all" in command.flags && flags.all === true ? 0 : leastNames;
  if (parsed.args.length < least || parsed.args.length > most) {
    out.text(commandHelp(COMMANDS, command, help));
    if (parsed.args.length === 0) return 0;
    throw new UsageError("Invalid number of arguments");
  }
  const context = new Context(program, name, {
    debug: flags.debug === true,
    forceLocal: flags["force-local"] === true,
    project: String(flags.project ?? ""),
    quiet: flags.quiet === true,
    verbose: flags.verbose === true,
  }, out);
  try {
    return await command.run(context, parsed.args, flags) ?? 0;
  } finally {
    out.done();
    context.close();
  }
}

/** The user's aliases hide no command of ours under `lxd`, where server words live. */
function withAliases(args: readonly string[], name: ProgramName): readonly string[] {
  const first = args.find((word) => !word.startsWith("-"));
  if (first === undefined || first === "alias" || (name === "lxd" && isServerWord(first))) {
    return args;
  }
  const { aliases } = loadConfig((key) => Deno.env.get(key));
  return expandAlias(args, new Map([...DEFAULT_ALIASES, ...aliases]));
}

const isServerWord = (word: string) =>
  COMMANDS.some((command: Command) => command.only === "lxd" && command.name === word);

function messageOf(error: unknown): string {
  if (error instanceof ClientError || error instanceof UsageError) return error.message;
  if (error instanceof Deno.errors.NotFound && /os error/.test(error.message) && isConnect(error)) {
    return "cannot reach the daemon: its socket does not exist; is it running? " +
      "(LXD_DIR says where it lives)";
  }
  if (error instanceof Deno.errors.ConnectionRefused) {
    return "cannot reach the daemon: nobody listens on its socket; is it running?";
  }
  if (error instanceof Deno.errors.PermissionDenied && isConnect(error)) {
    return "cannot reach the daemon: you may not use its socket; are you in its group (lxd)?";
  }
  return error instanceof Error ? fileError(error.message) : String(error);
}

/** "No such file or directory (os error 2): open 'x'" -> "open x: no such file or directory". */
function fileError(message: string): string {
  const [, reason, call, path] = /^(.+) \(os error \d+\): (\w+) '(.*)'$/s.exec(message) ?? [];
  return reason === undefined ? message : `${call} ${path}: ${reason.toLowerCase()}`;
}

const isConnect = (error: Error) => /connect/.test(error.stack ?? "");
