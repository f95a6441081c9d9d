/** Flags of `lxd daemon`. Pure. */
import { Fault } from "#base/errors.ts";
import { suggest } from "#base/suggest.ts";

export interface DaemonOptions {
  readonly group: string | undefined;
  readonly logFile: string | undefined;
  readonly level: "debug" | "info" | "warning";
  readonly format: "text" | "json";
}

const FLAGS = ["--group", "--logfile", "--log-format", "--debug", "--verbose", "--syslog"];

const PROFILING = ["--cpuprofile", "--memprofile", "--print-goroutines", "--trace"];

/** @throws {Fault} bad_request */
export function parseOptions(args: readonly string[]): DaemonOptions {
  let group: string | undefined;
  let logFile: string | undefined;
  let level: DaemonOptions["level"] = "warning";
  let format: DaemonOptions["format"] = "text";
  const rest = args.flatMap((word) => /^--[\w-]+=/.test(word) ? splitOnce(word) : [word]);
  for (let index = 0; index < rest.length; index++) {
    const word = rest[index] ?? "";
    const value = () => {
      const next = rest[++index];
      if (next === undefined) throw new Fault("bad_request", `flag ${word} needs a value`);
      return next;
    };
    if (word === "--group") group = value();
    else if (word === "--logfile") logFile = value();
    else if (word === "--log-format") format = value() === "json" ? "json" : "text";
    else if (word === "--debug" || word === "-d") level = "debug";
    else if (word === "--verbose" || word === "-v") level = level === "debug" ? "debug" : "info";
    else if (word === "--syslog" || word === "" || word === "daemon") continue;
    else if (PROFILING.includes(word)) value(); // Of LXD's runtime; service files may have them.
    else {
      const near = suggest(word, FLAGS);
      throw new Fault("bad_request", `unknown flag ${word}`, {
        hint: near === undefined ? `Flags: ${FLAGS.join(", ")}.` : `Did you mean ${near}?`,
      });
    }
  }
  return { group, logFile, level, format };
}

function splitOnce(word: string): string[] {
  const equals = word.indexOf("=");
  return [word.slice(0, equals), word.slice(equals + 1)];
}
