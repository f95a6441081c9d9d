import assert from "node:assert/strict";
import { median, timed } from "./measure.ts";

Deno.test("median() is the middle sample, or between the two middle ones", () => {
  assert.deepEqual([median([9, 1, 5]), median([4, 1, 2, 9]), median([7])], [5, 3, 7]);
});

Deno.test("timed() measures the action alone, once for each index", async () => {
  const calls: string[] = [];
  const say = (word: string) => (index: number) => Promise.resolve(calls.push(`${word}${index}`));

  const samples = await timed({ times: 2, before: say("b"), after: say("a") }, say("x"));

  assert.equal(samples.length, 2);
  assert.deepEqual(calls, ["b0", "x0", "a0", "b1", "x1", "a1"]);
});
