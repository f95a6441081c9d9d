import assert from "node:assert/strict";
import { countResults, failureText } from "./count.ts";

Deno.test("countResults() reads deno's summary with steps and ignored tests", () => {
  const output = "noise\nFAILED | 64 passed (44 steps) | 2 failed (1 step) | 3 ignored (28s)\n";

  assert.deepEqual(countResults("deno test", output, false), {
    passed: 64,
    failed: 2,
    ignored: 3,
  });
});

Deno.test("countResults() counts a failure when the summary is missing", () => {
  assert.deepEqual(countResults("deno test", "panicked", false), {
    passed: 0,
    failed: 1,
    ignored: 0,
  });
});

Deno.test("countResults() counts a failure when no test ran, though the step succeeded", () => {
  assert.equal(countResults("last line", "", true).failed, 1);
});

Deno.test("countResults() counts a failure of a step that died after a good summary", () => {
  const output = "ok | 5 passed | 0 failed (1s)\n";

  assert.equal(countResults("deno test", output, false).failed, 1);
});

Deno.test("countResults() takes the last line of a tool that sums up", () => {
  assert.deepEqual(countResults("last line", "1 passed, 1 failed\n4 passed, 0 failed\n", true), {
    passed: 4,
    failed: 0,
    ignored: 0,
  });
});

Deno.test("failureText() starts at deno's list of errors", () => {
  assert.equal(failureText("deno test", "a ... ok\n\n ERRORS \n\nb => c"), "ERRORS \n\nb => c");
});
