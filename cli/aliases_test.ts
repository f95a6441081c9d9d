import assert from "node:assert/strict";
import { expandAlias } from "./aliases.ts";

Deno.test("expandAlias() names the alias whose argument is missing", () => {
  const aliases = new Map([["two", "exec @ARG1@ -- echo @ARG2@"]]);

  assert.deepEqual(expandAlias(["two", "a", "b"], aliases), ["exec", "a", "--", "echo", "b"]);
  assert.throws(() => expandAlias(["two", "a"], aliases), /Found alias "two" references an argum/);
});
