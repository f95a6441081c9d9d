/** Flags and arguments of one command, by the rules of LXD's client. Pure. */
import { type FlagSpec, type FlagSpecs, UsageError } from "./command.ts";

export interface Parsed {
  readonly args: readonly string[];
  readonly flags: Readonly<Record<string, unknown>>;
}

/**
 * Flags may stand anywhere before `--`: `--flag=value`, `--flag value`, `-f value`, `-fvalue`,
 * `-abc`. What follows `--` are arguments, whatever it looks like.
 * @throws {UsageError} with LXD's words.
 */
export function parseFlags(words: readonly string[], specs: FlagSpecs): Parsed {
  const args: string[] = [];
  const given = new Map<string, string[]>();
  const take = (name: string, text: string) => given.set(name, [...given.get(name) ?? [], text]);
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--") {
      args.push(...words.slice(index + 1));
      break;
    }
    if (word === "-" || !word.startsWith("-")) args.push(word);
    else {
      const flags = word.startsWith("--") ? [long(word, specs)] : shorts(word, specs);
      for (const { name, value, place } of flags) {
        if (value !== undefined) take(name, value);
        else if (index + 1 < words.length) take(name, words[++index] ?? "");
        else throw new UsageError(`flag needs an argument: ${place}`);
      }
    }
  }
  const flags: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs)) {
    flags[name] = valueOf(name, spec, given.get(name));
  }
  return { args, flags };
}

interface Given {
  readonly name: string;
  /** undefined: the next word. */
  readonly value: string | undefined;
  /** As errors name it. */
  readonly place: string;
}

function long(word: string, specs: FlagSpecs): Given {
  const equals = word.indexOf("=");
  const name = word.slice(2, equals < 0 ? undefined : equals);
  const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
  if (spec === undefined) throw new UsageError(`unknown flag: --${name}`);
  const value = equals < 0 ? bareValue(spec) : word.slice(equals + 1);
  return { name, value, place: word };
}

function shorts(word: string, specs: FlagSpecs): Given[] {
  const found: Given[] = [];
  for (let index = 1; index < word.length; index++) {
    const letter = word[index];
    const [name, spec] = Object.entries(specs).find(([, { short }]) => short === letter) ?? [];
    if (name === undefined || spec === undefined) {
      throw new UsageError(`unknown shorthand flag: '${letter}' in -${word.slice(index)}`);
    }
    const place = `'${letter}' in -${word.slice(index)}`;
    const rest = word.slice(index + 1);
    if (rest.startsWith("=")) return [...found, { name, value: rest.slice(1), place }];
    const bare = bareValue(spec);
    if (bare === undefined) return [...found, { name, value: rest || undefined, place }];
    found.push({ name, value: bare, place });
  }
  return found;
}

/** What the flag means without a value; undefined if it needs one. */
function bareValue(spec: FlagSpec): string | undefined {
  if (spec.kind === "bool") return "true";
  return spec.kind === "optional" ? spec.bare ?? "" : undefined;
}

function valueOf(name: string, spec: FlagSpec, given: readonly string[] | undefined): unknown {
  const last = given?.at(-1);
  const invalid = (reason: string) => {
    const label = `${spec.short ? `-${spec.short}, ` : ""}--${name}`;
    return new UsageError(`invalid argument "${last}" for "${label}" flag: ${reason}`);
  };
  switch (spec.kind) {
    case "list":
      return given ?? [];
    case "bool":
      if (last === undefined || /^(0|f|F|false|FALSE|False)$/.test(last)) return false;
      if (/^(1|t|T|true|TRUE|True)$/.test(last)) return true;
      throw invalid("not a boolean");
    case "int":
      if (last === undefined) return Number(spec.default ?? 0);
      if (!/^[-+]?\d+$/.test(last)) throw invalid("not a whole number");
      return Number(last);
    case "string":
    case "optional":
      return last ?? spec.default ?? "";
  }
}
