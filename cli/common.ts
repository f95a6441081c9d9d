/** The part of the client that is evaluated at every start: fast, and without `node:` imports. */
import type { Program } from "#base/program.ts";
import { main as runClient } from "./main.ts";
import { COMMON_COMMANDS } from "./registry_common.ts";
import { parseSimpleYaml } from "./simple_yaml.ts";

/** @returns the exit status. */
export function main(program: Program): Promise<number> {
  return runClient(program, {
    commands: COMMON_COMMANDS,
    readYaml: (text) => {
      const value = parseSimpleYaml(text);
      if (value === undefined) throw new Error("this YAML is for the whole client to read");
      return value;
    },
    whole: async () => await (await program.loadClient()).main(program),
  });
}
