import assert from "node:assert/strict";
import { loopSizeFor } from "./loop.ts";

const GIB = 2 ** 30;

Deno.test("loopSizeFor() takes a fifth of what is free, 5 to 30 GiB", () => {
  assert.equal(loopSizeFor(6 * GIB), "5GiB");
  assert.equal(loopSizeFor(60 * GIB), "12GiB");
  assert.equal(loopSizeFor(1000 * GIB), "30GiB");
});

Deno.test("loopSizeFor() refuses where the least does not fit", () => {
  assert.throws(() => loopSizeFor(4 * GIB), /less than 5GiB are free/);
});
