import assert from "node:assert/strict";
import { longestFirst, parseBudget, takeNext } from "./schedule.ts";

const suites = [{ name: "a", seconds: 5 }, { name: "b", seconds: 60 }, { name: "c", seconds: 20 }];

Deno.test("takeNext() gives the longest suite that fits the time left", () => {
  const waiting = longestFirst(suites);

  assert.equal(takeNext(waiting, 30)?.name, "c");
  assert.equal(takeNext(waiting, 10)?.name, "a");
  assert.equal(takeNext(waiting, 10), undefined);
  assert.deepEqual(waiting.map(({ name }) => name), ["b"]);
});

Deno.test("parseBudget() reads seconds, minutes and hours", () => {
  assert.deepEqual(["90", "90s", "25m", "1h"].map(parseBudget), [90, 90, 1500, 3600]);
});

Deno.test("parseBudget() refuses other words", () => {
  assert.throws(() => parseBudget("soon"), /no budget/);
});
