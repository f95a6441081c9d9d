import assert from "node:assert/strict";
import { COMMANDS } from "./registry.ts";
import { EXEC_COMMANDS } from "./commands/exec.ts";
import { COMMON_COMMANDS } from "./registry_common.ts";
import { findCommand, nameOf } from "./registry_rules.ts";

const PARTS = { common: COMMON_COMMANDS, exec: EXEC_COMMANDS };

for (const program of ["lxc", "lxd"] as const) {
  for (const [part, commands] of Object.entries(PARTS)) {
    Deno.test(`${program}: ${part}: its commands mean the same in the whole client`, () => {
      for (
        const command of commands.filter(({ run }) => run !== undefined)
      ) {
        const words = nameOf(command, program).split(" ");
        if (words[0] === "") continue;
        const whole = findCommand(COMMANDS, [...words, "x"], program);
        const common = findCommand(commands, [...words, "x"], program);
        assert.equal(whole.command, common.command, words.join(" "));
      }
    });

    Deno.test(`${program}: ${part}: words of other commands are none of its`, () => {
      const others = COMMANDS.filter((one) => !commands.includes(one) && one.run);
      for (const command of others) {
        const words = nameOf(command, program).split(" ");
        if (words[0] === "") continue;
        let found: unknown;
        try {
          found = findCommand(commands, words, program).command?.run;
        } catch {
          // Ignored: unknown there, as it should be.
        }
        assert.equal(found, undefined, words.join(" "));
      }
    });
  }
}
