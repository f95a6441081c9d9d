import assert from "node:assert/strict";
import { parseYaml } from "./yaml.ts";

Deno.test("parseYaml() refuses a key twice, unless the last one is to win", () => {
  const text = "a: {}\na:\n  b: c\n";

  assert.throws(() => parseYaml(text), /duplicated mapping key/);
  assert.deepEqual(parseYaml(text, { repeats: "last wins" }), { a: { b: "c" } });
});

Deno.test("parseYaml() reads scalars as texts, and no document as null", () => {
  assert.deepEqual(parseYaml("a: 010\nb: yes\nc: 2026-01-01"), {
    a: "010",
    b: "yes",
    c: "2026-01-01",
  });
  assert.equal(parseYaml("# only a comment\n\n"), null);
});

Deno.test("parseYaml() takes null and ~ for nothing, unless they are quoted", () => {
  assert.deepEqual(parseYaml("a: ~\nb: null\nc: 'null'\nd:\nnull: e\n"), {
    a: null,
    b: null,
    c: "null",
    d: null,
    null: "e",
  });
});
