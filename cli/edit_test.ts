import assert from "node:assert/strict";
import { parseYaml } from "#api/yaml.ts";
import { parseEdited, withError } from "./edit.ts";

Deno.test("withError() puts the reason on top and takes the last one away", () => {
  const once = withError("### help\nconfig: {}\n", "bad key\non line 2");
  const twice = withError(once, "bad value");

  assert.equal(once, "##! bad key\n##! on line 2\n### help\nconfig: {}\n");
  assert.equal(twice, "##! bad value\n### help\nconfig: {}\n");
  assert.deepEqual(parseYaml(twice), { config: {} });
});

Deno.test("parseEdited() takes an empty document for an object without fields", () => {
  assert.deepEqual(parseEdited("# all lines were removed\n\n"), {});
  assert.deepEqual(parseEdited("config:\n  a: 1\n"), { config: { a: "1" } });
});
