/** exec and shell: run programs in instances. */
import { type Command, command, type FlagsOf, type FlagSpecs, UsageError } from "#cli/command.ts";
import { type Context, path } from "#cli/context.ts";
import { execute } from "#cli/terminal/exec_session.ts";
import type { ExecRequest } from "#cli/terminal/exec_stream.ts";
import { terminalSize } from "#cli/terminal/raw_mode.ts";

const FLAGS = {
  cwd: { kind: "string", summary: "Directory to run the command in (default /root)" },
  "disable-stdin": { kind: "bool", short: "n", summary: "Disable stdin (reads from /dev/null)" },
  env: { kind: "list", summary: "Environment variable to set (e.g. HOME=/home/foo)" },
  "force-interactive": { kind: "bool", short: "t", summary: "Force pseudo-terminal allocation" },
  "force-noninteractive": {
    kind: "bool",
    short: "T",
    summary: "Disable pseudo-terminal allocation",
  },
  group: { kind: "int", summary: "Group ID to run the command as (default 0)" },
  mode: {
    kind: "string",
    default: "auto",
    summary: "Override the terminal mode (auto, interactive or non-interactive)",
  },
  user: { kind: "int", summary: "User ID to run the command as (default 0)" },
} as const satisfies FlagSpecs;

type Flags = FlagsOf<typeof FLAGS>;

const DESCRIPTION = "The command is executed directly using exec, so there is no shell and\n" +
  "shell patterns (variables, file redirects, ...) won't be understood.\n" +
  "If you need a shell environment you need to execute the shell\n" +
  "executable, passing the shell commands as arguments, for example:\n\n" +
  '  lxc exec <instance> -- sh -c "cd /tmp && pwd"\n\n' +
  "Mode defaults to non-interactive, interactive mode is selected if both stdin AND stdout are " +
  "terminals (stderr is ignored).";

export const EXEC_COMMANDS: readonly Command[] = [
  command({
    name: "exec",
    usage: "[<remote>:]<instance> [flags] [--] <command line>",
    summary: "Execute commands in instances",
    description: DESCRIPTION,
    flags: FLAGS,
    args: [2, Infinity],
    run: (context, [label = "", ...words], flags) => run(context, { label, words, flags }),
  }),
  command({
    name: "shell",
    usage: "[<remote>:]<instance>",
    summary: "Open a login shell in an instance",
    description: "The shell is root's, or that of --user. Without su(1) in the instance it is sh.",
    flags: FLAGS,
    args: [1, 1],
    async run(context, [label = ""], flags) {
      const words = ["su", "-l"];
      const status = await run(context, { label, words, flags }, true);
      return status ?? await run(context, { label, words: ["sh", "-l"], flags }) ?? 1;
    },
  }),
];

interface Call {
  readonly label: string;
  readonly words: readonly string[];
  readonly flags: Flags;
}

const NOT_FOUND = 127;

/** @returns the exit status; undefined if the program is missing and `optional` allows that. */
async function run(
  context: Context,
  { label, words, flags }: Call,
  optional = false,
): Promise<number | undefined> {
  const terminals = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  const request = execRequest(words, flags, {
    terminals,
    term: Deno.env.get("TERM"),
    ...terminalSize(),
  });
  const { client, name } = context.resource(label);
  const result = await execute(client, path("instances", name), {
    request,
    streams: {
      input: flags["disable-stdin"] ? undefined : Deno.stdin,
      output: Deno.stdout,
      error: Deno.stderr,
    },
  });
  if (result.error === "") return result.status;
  if (optional && result.status === NOT_FOUND) return undefined;
  context.out.error(`Error: ${result.error}`);
  return result.status;
}

export interface Surroundings {
  /** Are stdin and stdout terminals? */
  readonly terminals: boolean;
  /** Kind of the user's terminal. */
  readonly term: string | undefined;
  readonly width: number;
  readonly height: number;
}

/** What the flags ask for. Pure. @throws {UsageError} if they contradict each other. */
export function execRequest(
  words: readonly string[],
  flags: Flags,
  { terminals, term, width, height }: Surroundings,
): ExecRequest {
  const interactive = isInteractive(flags, terminals);
  const environment: Record<string, string> = term ? { TERM: term } : {};
  for (const pair of flags.env) {
    const equals = pair.indexOf("=");
    if (equals < 0) environment[pair] = "";
    else environment[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return {
    command: words,
    environment,
    interactive,
    width: interactive ? width : 0,
    height: interactive ? height : 0,
    user: flags.user,
    group: flags.group,
    cwd: flags.cwd,
  };
}

function isInteractive(flags: Flags, terminals: boolean): boolean {
  const force = flags["force-interactive"];
  const refuse = flags["force-noninteractive"];
  if (force && refuse) throw new UsageError("You can't pass -t and -T at the same time");
  if ((force || refuse) && flags.mode !== "auto") {
    throw new UsageError("You can't pass -t or -T at the same time as --mode");
  }
  if (flags["disable-stdin"] || refuse || flags.mode === "non-interactive") return false;
  return force || flags.mode === "interactive" || flags.mode === "auto" && terminals;
}
