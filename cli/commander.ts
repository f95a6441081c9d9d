/** Flags and arguments of one command. Only this file imports commander. */
import { Command as Parser, CommanderError, Option } from "commander";
import { type FlagSpec, type FlagSpecs, UsageError } from "./command.ts";

export interface Parsed {
  readonly args: readonly string[];
  readonly flags: Readonly<Record<string, unknown>>;
}

/**
 * Flags may stand anywhere before `--`; with `passThrough`, nothing after the first argument that
 * looks like a flag of ours is touched once `--` was seen.
 * @throws {UsageError} with LXD's words.
 */
export function parseFlags(words: readonly string[], specs: FlagSpecs): Parsed {
  const parser = new Parser("lxc");
  parser.helpOption(false).exitOverride().allowExcessArguments(true);
  parser.configureOutput({ writeErr: () => {}, writeOut: () => {} });
  parser.argument("[args...]");
  for (const [name, spec] of Object.entries(specs)) parser.addOption(optionOf(name, spec));
  try {
    parser.parse(withoutBooleanValues(words, specs), { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) throw new UsageError(inLxdsWords(error, words, specs));
    throw error;
  }
  const values = parser.opts();
  const flags: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs)) flags[name] = valueOf(name, spec, values);
  return { args: parser.args, flags };
}

function optionOf(name: string, spec: FlagSpec): Option {
  const value = spec.kind === "bool" ? "" : spec.kind === "optional" ? " [value]" : " <value>";
  const option = new Option(`${spec.short ? `-${spec.short}, ` : ""}--${name}${value}`);
  if (spec.kind === "list") {
    option.default([]).argParser((text: string, before: string[]) => [...before, text]);
  }
  return option;
}

/** commander strips "no-" and joins words in camel case. */
function valueOf(name: string, spec: FlagSpec, values: Record<string, unknown>): unknown {
  const negated = name.startsWith("no-");
  const key = (negated ? name.slice(3) : name).replace(
    /-([a-z])/g,
    (_, letter: string) => letter.toUpperCase(),
  );
  const given = values[key];
  if (spec.kind === "bool") return negated ? given === false : given === true;
  if (spec.kind === "list") return given;
  if (spec.kind === "optional") return given === true ? spec.bare ?? "" : given ?? "";
  if (spec.kind === "string") return given ?? spec.default ?? "";
  const text = String(given ?? spec.default ?? 0);
  if (!/^[-+]?\d+$/.test(text)) {
    throw new UsageError(`invalid argument "${text}" for "--${name}" flag: not a whole number`);
  }
  return Number(text);
}

/** `--flag=true` and `--flag=false` of boolean flags, which commander does not know. */
function withoutBooleanValues(words: readonly string[], specs: FlagSpecs): string[] {
  const out: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--") return [...out, ...words.slice(index)];
    const match = /^--([\w-]+)=(.*)$/s.exec(word);
    const spec = match === null ? undefined : specs[match[1] ?? ""];
    if (match === null || spec?.kind !== "bool") {
      const bare = spec === undefined && specs[word.slice(2)]?.kind === "optional";
      // Bare, an optional value must not swallow the next word.
      out.push(bare ? `${word}=${specs[word.slice(2)]?.bare ?? ""}` : word);
      const value = takesNextWord(word, specs);
      if (value && index + 1 < words.length) out.push(words[++index] ?? "");
    } else if (/^(1|t|T|true|TRUE|True)$/.test(match[2] ?? "")) out.push(`--${match[1]}`);
    else if (!/^(0|f|F|false|FALSE|False)$/.test(match[2] ?? "")) {
      throw new UsageError(
        `invalid argument "${match[2]}" for "--${match[1]}" flag: not a boolean`,
      );
    }
  }
  return out;
}

/** Is the word after this one its value? */
function takesNextWord(word: string, specs: FlagSpecs): boolean {
  const takes = (spec: FlagSpec | undefined) =>
    spec !== undefined && spec.kind !== "bool" && spec.kind !== "optional";
  if (word.startsWith("--")) return !word.includes("=") && takes(specs[word.slice(2)]);
  if (!word.startsWith("-") || word.length < 2) return false;
  for (const [index, letter] of [...word.slice(1)].entries()) {
    const spec = Object.values(specs).find((one) => one.short === letter);
    if (takes(spec)) return index === word.length - 2;
  }
  return false;
}

function inLxdsWords(
  error: CommanderError,
  words: readonly string[],
  specs: FlagSpecs,
): string {
  const flag = /'([^']*)'/.exec(error.message)?.[1] ?? "";
  if (error.code === "commander.unknownOption") {
    if (flag.startsWith("--")) return `unknown flag: ${flag.split("=")[0]}`;
    const shorts = Object.values(specs).map((spec) => spec.short);
    const letter = [...flag.slice(1)].find((one) => !shorts.includes(one)) ?? flag[1];
    const whole = words.find((word) => /^-[^-]/.test(word) && word.includes(letter ?? "")) ?? flag;
    return `unknown shorthand flag: '${letter}' in ${whole}`;
  }
  if (error.code === "commander.optionMissingArgument") {
    const last = words.at(-1) ?? "";
    if (last.startsWith("--")) return `flag needs an argument: ${last}`;
    return `flag needs an argument: '${last.at(-1)}' in ${last}`;
  }
  return error.message.replace(/^error: /, "");
}
