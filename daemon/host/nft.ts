/** Rulesets for nft(8). */
import { Fault } from "#base/errors.ts";
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

/**
 * One transaction: all of it or nothing.
 *
 * @throws {Fault} bad_request if the kernel has no such tables, else an ExecError.
 */
export async function applyRuleset(rules: string): Promise<void> {
  try {
    await run(["nft", "-f", "-"], { stdin: rules });
  } catch (error) {
    for (const family of familiesOf(rules)) await requireFamily(family, error);
    throw error;
  }
}

/** Pure. */
function familiesOf(rules: string): ReadonlySet<string> {
  return new Set([...rules.matchAll(/^table (\w+) /gm)].map(([, family = ""]) => family));
}

/** nft says "No such file or directory" for each line of a table that the kernel can't have. */
async function requireFamily(family: string, cause: unknown): Promise<void> {
  try {
    await run(["nft", "--check", "-f", "-"], { stdin: `table ${family} lxd-probe { }\n` });
  } catch {
    throw new Fault("bad_request", `The kernel has no nftables of the family "${family}"`, {
      cause,
      hint: `It needs CONFIG_NF_TABLES_${family.toUpperCase()}, which the kernels of Debian have.`,
    });
  }
}
