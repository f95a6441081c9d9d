import assert from "node:assert/strict";
import { COMMANDS } from "./registry.ts";
import { collisions, findCommand, nameOf } from "./registry_rules.ts";

Deno.test("COMMANDS has no name, alias or flag twice, as lxc and as lxd", () => {
  assert.deepEqual(collisions(COMMANDS), []);
});

Deno.test("findCommand() finds each command by its own name", () => {
  for (const command of COMMANDS) {
    for (const program of ["lxc", "lxd"] as const) {
      const name = nameOf(command, program);
      if (name === "") continue;
      assert.equal(findCommand(COMMANDS, name.split(" "), program).command, command, name);
    }
  }
});

for (
  const [words, program, name] of [
    ["init img c1", "lxc", "init"],
    ["init --auto", "lxd", "init"],
    ["create img c1", "lxd", "init"],
    ["import b.tar.gz", "lxc", "import"],
    ["restore-backup b.tar.gz", "lxd", "import"],
    ["unpause c1", "lxc", "resume"],
    ["mv a b", "lxc", "move"],
    ["config device rm c1 eth0", "lxc", "config device remove"],
    ["--project p config set a=b", "lxc", "config set"],
    ["profile apply c1 p", "lxc", "profile assign"],
  ] as const
) {
  Deno.test(`findCommand() takes "${program} ${words}" for ${name}`, () => {
    assert.equal(findCommand(COMMANDS, words.split(" "), program).command?.name, name);
  });
}

Deno.test("findCommand() gives `lxd init` to the server, `lxd create` to the client", () => {
  assert.equal(findCommand(COMMANDS, ["init"], "lxd").command?.only, "lxd");
  assert.equal(findCommand(COMMANDS, ["create"], "lxd").command?.lxdName, "create");
});
