/** A part of the client that is evaluated at a start: fast, small, and without `node:` imports. */
import type { Program } from "#base/program.ts";
import type { Command } from "./command.ts";
import { main as runClient } from "./main.ts";
import { parseSimpleYaml } from "./simple_yaml.ts";

/** @returns its main(); what is not for `commands` it leaves to the whole client. */
export function partOf(commands: readonly Command[]): (program: Program) => Promise<number> {
  return (program) =>
    runClient(program, {
      commands,
      readYaml: (text) => {
        const value = parseSimpleYaml(text);
        if (value === undefined) throw new Error("this YAML is for the whole client to read");
        return value;
      },
      whole: async (stdin) => {
        const { main } = await program.loadClient();
        return await main(stdin === undefined ? program : { ...program, stdin });
      },
    });
}
