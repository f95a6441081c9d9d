import assert from "node:assert/strict";
import { parseYaml } from "#api/yaml.ts";
import { withError } from "./edit.ts";

Deno.test("withError() puts the reason on top and takes the last one away", () => {
  const once = withError("### help\nconfig: {}\n", "bad key\non line 2");
  const twice = withError(once, "bad value");

  assert.equal(once, "##! bad key\n##! on line 2\n### help\nconfig: {}\n");
  assert.equal(twice, "##! bad value\n### help\nconfig: {}\n");
  assert.deepEqual(parseYaml(twice), { config: {} });
});
