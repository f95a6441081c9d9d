/** One call of the client: words -> command -> exit status. */
import type { Program } from "#base/program.ts";
import { isClientName, wordsOf } from "#base/program.ts";
import { LXD_COMPAT_VERSION } from "#base/version.ts";
import { DEFAULT_ALIASES, expandAlias } from "./aliases.ts";
import { type Command, ForWhole, GLOBAL_FLAGS, SERVER_FLAGS, WrongCount } from "./command.ts";
import { messageOf } from "./failure.ts";
import { parseFlags } from "./flags.ts";
import { Context } from "./context.ts";
import { commandHelp, commandUsage, programHelp } from "./help.ts";
import { Output, processStreams } from "./output/output.ts";
import { findCommand, type ProgramName } from "./registry_rules.ts";
import type { RemoteTransport } from "./remote_transport.ts";
import { type ClientConfig, isLocalCall, loadConfig, type ReadYaml } from "./remotes.ts";

/** What a bundle of the client has in it. */
export interface Scope {
  readonly commands: readonly Command[];
  readonly readYaml: ReadYaml;
  /** Absent in the bundles of the common commands. */
  readonly remoteTransport?: RemoteTransport;
  /** Absent too. */
  readonly parseYaml?: (text: string) => unknown;
  /** In the bundle of the common commands: runs what is not in it. */
  readonly whole?: (stdin?: string) => Promise<number>;
}

/** Run the client. @returns the exit status: 0, 1, or that of the command in `exec`. */
export async function main(program: Program, scope: Scope): Promise<number> {
  const name: ProgramName = isClientName(program.argv0) ? "lxc" : "lxd";
  const args = wordsOf(program);
  if (program.args.length === 1 && program.args[0] === "--version") {
    processStreams(false).writeOut(new TextEncoder().encode(`${LXD_COMPAT_VERSION}\n`));
    return 0;
  }
  const quiet = args.includes("-q") || args.includes("--quiet");
  const out = new Output(processStreams(quiet));
  let config: ClientConfig | undefined;
  const loadOnce = () => config ??= loadConfig((key) => Deno.env.get(key), scope.readYaml);
  try {
    const call = { program, name, out, args, scope, loadOnce };
    const chosen = scope.whole === undefined ? choose(call) : chooseCommon(call);
    if (chosen === undefined) return await scope.whole?.() ?? 1;
    return await perform(call, chosen);
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
  readonly scope: Scope;
  readonly loadOnce: () => ClientConfig;
}

interface Chosen {
  readonly command: Command | undefined;
  readonly args: readonly string[];
  readonly flags: Readonly<Record<string, unknown>>;
  readonly wantsHelp: boolean;
}

/** @throws {UsageError} for words that are no command, or flags that it does not have. */
function choose({ scope, args, name, loadOnce }: Call): Chosen {
  const words = withAliases(args, { name, scope, loadOnce });
  const isHelp = words[0] === "help";
  const { command, rest } = findCommand(scope.commands, isHelp ? words.slice(1) : words, name);
  const server = command?.only === "lxd" ? SERVER_FLAGS : {};
  const parsed = parseFlags(rest, { ...GLOBAL_FLAGS, ...server, ...command?.flags });
  return { ...parsed, command, wantsHelp: isHelp || parsed.flags.help === true };
}

/** undefined: the whole client has to look at the call. */
function chooseCommon(call: Call): Chosen | undefined {
  try {
    const config = call.loadOnce();
    if (!isLocalCall(call.args, config)) return undefined;
    if (expandAlias(call.args, config.aliases) !== call.args) return undefined;
    const chosen = choose(call);
    return chosen.command?.run === undefined || chosen.wantsHelp ? undefined : chosen;
  } catch {
    return undefined; // Ignored: the whole client finds the same, or knows better.
  }
}

async function perform(call: Call, { command, args, flags, wantsHelp }: Chosen): Promise<number> {
  const { program, name, out, scope, loadOnce } = call;
  const help = { program: name, all: flags.all === true, deep: flags["sub-commands"] === true };
  if (command === undefined) {
    if (flags.version === true) out.line(LXD_COMPAT_VERSION);
    else out.text(programHelp(scope.commands, help));
    return 0;
  }
  if (wantsHelp) {
    out.text(commandHelp(scope.commands, command, help));
    return 0;
  }
  if (command.run === undefined) {
    out.error(commandUsage(scope.commands, command, help));
    return 0;
  }
  const [leastNames, most] = command.args;
  const least = "all" in command.flags && flags.all === true ? 0 : leastNames;
  const options = {
    debug: flags.debug === true,
    forceLocal: flags["force-local"] === true,
    project: String(flags.project ?? ""),
    quiet: flags.quiet === true,
    verbose: flags.verbose === true,
  };
  const { remoteTransport, parseYaml, whole } = scope;
  const context = new Context(program, name, options, out, loadOnce, remoteTransport, parseYaml);
  try {
    if (args.length < least || args.length > most) throw new WrongCount();
    return await command.run(context, args, flags) ?? 0;
  } catch (error) {
    if (error instanceof ForWhole && whole !== undefined) return await whole(error.stdin);
    if (!(error instanceof WrongCount)) throw error;
    if (whole !== undefined) return await whole();
    out.text(commandHelp(scope.commands, command, help));
    if (args.length > 0) throw error;
    return 0;
  } finally {
    out.done();
    context.close();
  }
}

/** The user's aliases hide no command of ours under `lxd`, where server words live. */
function withAliases(
  args: readonly string[],
  { name, scope, loadOnce }: Pick<Call, "name" | "scope" | "loadOnce">,
): readonly string[] {
  const first = args.find((word) => !word.startsWith("-"));
  const isServerWord = scope.commands.some(({ only, name }) => only === "lxd" && name === first);
  if (first === undefined || first === "alias" || name === "lxd" && isServerWord) return args;
  return expandAlias(args, new Map([...DEFAULT_ALIASES, ...loadOnce().aliases]));
}
