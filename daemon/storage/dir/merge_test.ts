import assert from "node:assert/strict";
import { lowersAbove } from "./merge.ts";

Deno.test("lowersAbove() finds what a chain has got since", () => {
  assert.deepEqual(lowersAbove(["c", "b", "a"], ["b", "a"]), ["c"]);
  assert.deepEqual(lowersAbove(["b", "a"], ["b", "a"]), []);
  assert.equal(lowersAbove(["a"], ["b", "a"]), undefined);
  assert.equal(lowersAbove(["d", "a"], ["b", "a"]), undefined);
  assert.equal(lowersAbove([], ["a"]), undefined);
});
