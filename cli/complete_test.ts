import assert from "node:assert/strict";
import { complete } from "./complete.ts";
import { COMMANDS } from "./registry.ts";

const at = (line: string, program: "lxc" | "lxd" = "lxc") => complete(COMMANDS, line, program);

Deno.test("complete() offers commands, and those below them", () => {
  assert.ok(at("lxc ").words.includes("launch"));
  assert.deepEqual(at("lxc profile ").words.filter((word) => word.startsWith("de")), [
    "delete",
    "device",
  ]);
  assert.equal(at("lxc li").current, "li");
  assert.ok(at("lxd ", "lxd").words.includes("waitready"));
  assert.ok(!at("lxc ").words.includes("waitready"));
});

Deno.test("complete() offers the flags of the command and those of all", () => {
  const { words } = at("lxc list --fo");

  assert.ok(words.includes("--format") && words.includes("--project"));
});

for (
  const [line, things, takesRemote] of [
    ["lxc exec ", "instance", true],
    ["lxc start c1 ", "instance", true],
    ["lxc --project p delete c1 c2 ", "instance", true],
    ["lxc launch ", "image", true],
    ["lxc launch img c1 -p ", "profile", false],
    ["lxc launch --storage ", "pool", false],
    ["lxc profile add c1 ", "profile", false],
    ["lxc project switch ", "project", true],
    ["lxc network show ", "network", true],
    ["lxc remote switch ", "remote", false],
    ["lxc exec c1 -- ", undefined, false],
    ["lxc list --format ", undefined, false],
  ] as const
) {
  Deno.test(`complete() knows what "${line}" waits for`, () => {
    const found = at(line);

    assert.deepEqual([found.things, found.takesRemote], [things, takesRemote]);
  });
}

Deno.test("complete() offers formats after --format", () => {
  assert.deepEqual(at("lxc image list -f ").words, ["csv", "json", "table", "yaml", "compact"]);
});
