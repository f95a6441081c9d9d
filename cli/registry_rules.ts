/** How words become commands: names under `lxc` and `lxd`, aliases, typos. Pure. */
import { suggest } from "#base/suggest.ts";
import { type Command, GLOBAL_FLAGS, UsageError } from "./command.ts";

export type ProgramName = "lxc" | "lxd";

/** Its words under this name of the program; "" if it does not exist there. */
export function nameOf(command: Command, program: ProgramName): string {
  if (command.only !== undefined && command.only !== program) return "";
  return program === "lxd" ? command.lxdName ?? command.name : command.name;
}

/** The commands one word below `prefix`. */
export function childrenOf(
  commands: readonly Command[],
  prefix: string,
  program: ProgramName,
): Command[] {
  const start = prefix === "" ? "" : `${prefix} `;
  return commands.filter((command) => {
    const name = nameOf(command, program);
    return name !== "" && name.startsWith(start) && name !== prefix &&
      !name.slice(start.length).includes(" ");
  });
}

export interface Found {
  readonly command: Command | undefined;
  /** The words that aren't the command's name, flags included. */
  readonly rest: readonly string[];
}

/**
 * The command that the words ask for: the longest name, flags skipped wherever they stand.
 * @throws {UsageError} if a word is no command, with the nearest one.
 */
export function findCommand(
  commands: readonly Command[],
  words: readonly string[],
  program: ProgramName,
): Found {
  let current: Command | undefined;
  const rest = [...words];
  for (;;) {
    const index = firstWord(rest);
    const name = current === undefined ? "" : nameOf(current, program);
    const children = childrenOf(commands, name, program);
    if (index < 0 || children.length === 0) return { command: current, rest };
    const word = rest[index] ?? "";
    const next = children.find((child) =>
      nameOf(child, program).split(" ").at(-1) === word || child.aliases?.includes(word)
    );
    if (next === undefined) {
      if (current?.run !== undefined) return { command: current, rest };
      throw new UsageError(unknownCommand(word, `${program} ${name}`.trim(), children, program));
    }
    rest.splice(index, 1);
    current = next;
  }
}

/** Index of the first word that is neither a flag nor the value of a global flag. */
function firstWord(words: readonly string[]): number {
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--") return -1;
    if (word === "--project") index++;
    else if (!word.startsWith("-")) return index;
  }
  return -1;
}

function unknownCommand(
  word: string,
  parent: string,
  children: readonly Command[],
  program: ProgramName,
): string {
  const names = children.map((child) => nameOf(child, program).split(" ").at(-1) ?? "");
  const near = suggest(word, names) ??
    names.find((name) => word.length > 1 && name.startsWith(word));
  const hint = near === undefined ? "" : `\n\nDid you mean this?\n\t${near}\n`;
  return `unknown command "${word}" for "${parent}"${hint}`;
}

/** What is wrong with the table: names twice, flags that hide global ones. For the test. */
export function collisions(commands: readonly Command[]): string[] {
  const problems: string[] = [];
  for (const program of ["lxc", "lxd"] as const) {
    const seen = new Set<string>();
    for (const command of commands) {
      const name = nameOf(command, program);
      if (name === "") continue;
      const parent = name.split(" ").slice(0, -1).join(" ");
      for (const one of [name, ...(command.aliases ?? []).map((a) => `${parent} ${a}`.trim())]) {
        if (seen.has(one)) problems.push(`${program} ${one} twice`);
        seen.add(one);
      }
    }
  }
  const globals = Object.values(GLOBAL_FLAGS).map((flag) => "short" in flag ? flag.short : "");
  for (const command of commands) {
    const shorts = Object.values(command.flags).map((flag) => flag.short ?? "").filter(Boolean);
    if (new Set(shorts).size < shorts.length) problems.push(`${command.name}: short flag twice`);
    for (const short of shorts) {
      if ((globals as string[]).includes(short)) problems.push(`${command.name}: -${short}`);
    }
  }
  return problems;
}
