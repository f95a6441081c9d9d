/** What could stand at the end of a half typed call: words, flags, or names of things. Pure. */
import { splitWords } from "./aliases.ts";
import { type Command, type FlagSpecs, GLOBAL_FLAGS } from "./command.ts";
import { FORMATS } from "./output/table.ts";
import { childrenOf, nameOf, type ProgramName } from "./registry_rules.ts";

/** Things that a server or this machine has names of. */
export type ThingKind = keyof typeof PLACEHOLDERS | "remote";

export interface Completion {
  /** Candidates that are known already. */
  readonly words: readonly string[];
  /** Names of these fit too. */
  readonly things: ThingKind | undefined;
  /** `remote:` may stand before the name, and where there is none yet, a remote fits. */
  readonly takesRemote: boolean;
  /** What is typed of the last word. */
  readonly current: string;
}

/** Words of a usage line that name things. */
const PLACEHOLDERS = {
  instance: /<(instance|source|destination)>/,
  image: /<image>/,
  profile: /<profiles?>/,
  network: /<network>/,
  pool: /<pool>/,
  project: /<project>/,
} as const;

const NOTHING = { words: [], things: undefined, takesRemote: false };

/** @param line All that is typed before the cursor, the program's name included. */
export function complete(
  commands: readonly Command[],
  line: string,
  program: ProgramName,
): Completion {
  const words = splitWords(line).slice(1);
  const current = /\s$/.test(line) || words.length === 0 ? "" : words.pop() ?? "";
  const { command, args, lacksValue } = walk(commands, words, program);
  const specs = { ...GLOBAL_FLAGS, ...command?.flags };
  if (lacksValue !== undefined) return { ...valuesOf(lacksValue), current };
  if (words.includes("--")) return { ...NOTHING, current };
  if (current.startsWith("-")) return { ...NOTHING, words: flagWords(specs), current };
  const children = childrenOf(commands, command ? nameOf(command, program) : "", program);
  if (children.length > 0 && args === 0) {
    const names = children.map((child) => nameOf(child, program).split(" ").at(-1) ?? "");
    return { ...NOTHING, words: names.toSorted(), current };
  }
  return { ...argumentsOf(command?.usage ?? "", args), current };
}

interface Walked {
  readonly command: Command | undefined;
  /** How many arguments the command has already. */
  readonly args: number;
  /** The flag whose value comes next. */
  readonly lacksValue: string | undefined;
}

function walk(commands: readonly Command[], words: readonly string[], program: ProgramName) {
  let walked: Walked = { command: undefined, args: 0, lacksValue: undefined };
  for (const word of words) {
    const { command, args, lacksValue } = walked;
    if (lacksValue !== undefined) walked = { command, args, lacksValue: undefined };
    else if (word.startsWith("-") && word !== "-") {
      walked = { command, args, lacksValue: flagWithValue(word, command) };
    } else {
      const name = command === undefined ? "" : nameOf(command, program);
      const next = args > 0
        ? undefined
        : childrenOf(commands, name, program).find((child) =>
          nameOf(child, program).split(" ").at(-1) === word || child.aliases?.includes(word)
        );
      walked = next === undefined
        ? { command, args: args + 1, lacksValue: undefined }
        : { command: next, args: 0, lacksValue: undefined };
    }
  }
  return walked;
}

function flagWithValue(word: string, command: Command | undefined): string | undefined {
  if (word.includes("=")) return undefined;
  const specs: FlagSpecs = { ...GLOBAL_FLAGS, ...command?.flags };
  const found = Object.entries(specs).find(([name, { short }]) =>
    word === `--${name}` || short !== undefined && word === `-${short}`
  );
  if (found === undefined) return undefined;
  const [name, { kind }] = found;
  return kind === "bool" || kind === "optional" ? undefined : name;
}

function valuesOf(flag: string) {
  const kinds: Readonly<Record<string, ThingKind>> = {
    network: "network",
    profile: "profile",
    project: "project",
    storage: "pool",
    "target-project": "project",
  };
  if (flag === "format") return { ...NOTHING, words: FORMATS };
  return { ...NOTHING, things: Object.hasOwn(kinds, flag) ? kinds[flag] : undefined };
}

function flagWords(specs: FlagSpecs): string[] {
  return Object.keys(specs).map((name) => `--${name}`).toSorted();
}

/** What the usage line says of the argument at this place; its last one may be repeated. */
function argumentsOf(usage: string, index: number) {
  const places = usage.replace("[flags]", "").split(/\s+(?![^<]*>)/).filter((word) => word !== "");
  const last = places.at(-1);
  const place = places[index] ?? (last?.includes("...") ? last : undefined);
  if (place === undefined) return NOTHING;
  const things = keysOf(PLACEHOLDERS).find((kind) => PLACEHOLDERS[kind].test(place));
  const isRemote = things === undefined && /^\[?<remote>[\]:]*$/.test(place);
  return {
    words: [],
    things: isRemote ? "remote" as const : things,
    takesRemote: place.includes("<remote>:"),
  };
}

const keysOf = <Key extends string>(value: Readonly<Record<Key, unknown>>) =>
  Object.keys(value) as Key[];
