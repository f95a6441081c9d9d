/** Rulesets for nft(8). */
import { run } from "./run.ts";

export interface Chain {
  readonly name: string;
  /** "type filter hook input priority 0; policy accept;"; undefined: only jumped to. */
  readonly hook?: string;
  readonly rules: readonly string[];
}

/** The table `lxd` of a family with these chains. Pure. */
export function tableText(family: string, chains: readonly Chain[]): string {
  const text = chains.map(({ name, hook, rules }) =>
    `  chain ${name} {\n${
      [...(hook === undefined ? [] : [hook]), ...rules].map((line) => `    ${line}\n`).join("")
    }  }\n`
  );
  return `table ${family} lxd {\n${text.join("")}}\n`;
}

/**
 * Ruleset that removes chains, whether they are there or not: first all are made (so that it can't
 * fail), then emptied, then removed, since a jump keeps a chain. Pure.
 */
export function removeChains(family: string, chains: readonly string[]): string {
  const each = (verb: string) =>
    chains.map((chain) => `${verb} chain ${family} lxd ${chain}\n`).join("");
  return `table ${family} lxd {\n` + chains.map((chain) => `  chain ${chain} { }\n`).join("") +
    "}\n" + each("flush") + each("delete");
}

/** One transaction: all of it or nothing. @throws {ExecError} */
export async function applyRuleset(rules: string): Promise<void> {
  await run(["nft", "-f", "-"], { stdin: rules });
}
