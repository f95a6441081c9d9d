import assert from "node:assert/strict";
import { COMMANDS } from "./registry.ts";
import { COMMON_COMMANDS } from "./registry_common.ts";
import { findCommand, nameOf } from "./registry_rules.ts";

for (const program of ["lxc", "lxd"] as const) {
  Deno.test(`${program}: the common commands mean the same in the whole client`, () => {
    for (const command of COMMON_COMMANDS.filter(({ run }) => run !== undefined)) {
      const words = nameOf(command, program).split(" ");
      if (words[0] === "") continue;
      const whole = findCommand(COMMANDS, [...words, "x"], program);
      const common = findCommand(COMMON_COMMANDS, [...words, "x"], program);
      assert.equal(whole.command, common.command, words.join(" "));
    }
  });

  Deno.test(`${program}: words of other commands are none of the common ones`, () => {
    const others = COMMANDS.filter((one) => !COMMON_COMMANDS.includes(one) && one.run);
    for (const command of others) {
      const words = nameOf(command, program).split(" ");
      if (words[0] === "") continue;
      let found: unknown;
      try {
        found = findCommand(COMMON_COMMANDS, words, program).command?.run;
      } catch {
        // Ignored: unknown there, as it should be.
      }
      assert.equal(found, undefined, words.join(" "));
    }
  });
}
