import { secondTries } from "./again.ts";
import { type Step, wholeRun } from "./steps.ts";
import assert from "node:assert/strict";

const FILES = ["tests/kernel/a_test.ts", "tests/kernel/f_test.ts", "tests/compat/c_test.ts"];
const STEPS = wholeRun(FILES, true).flat();

const VMS = `y => ./tests/vm/limits_v2_test.ts:30:6
User-Mode-Linux: limits_v2_test.ts, 1 failed, 0 ignored, 20 s
User-Mode-Linux: storage_dir_test.ts, 0 failed, 0 ignored, 20 s
9 passed, 1 failed
`;

/** The test that failed stands in a suite that several files use. */
const LANE = `running 2 tests from ./tests/kernel/a_test.ts
x ... ok (2s)
y ...
------- output -------
----- output end -----
y ... FAILED (3ms)
running 1 test from ./tests/kernel/f_test.ts
z ... ok (2s)

 ERRORS

y => ./tests/suites/y.ts:3:6

 FAILURES

y => ./tests/suites/y.ts:3:6

FAILED | 2 passed | 1 failed (3s)
`;

function stepOf(name: string): Step {
  const step = STEPS.find((one) => one.name === name);
  assert.ok(step, name);
  return step;
}

Deno.test("secondTries() runs the files, suites and VMs that failed, each once", () => {
  const tries = secondTries([
    {
      step: stepOf("kernel 1"),
      failed: 2,
      output: LANE,
    },
    { step: stepOf("VMs"), failed: 1, output: VMS },
    {
      step: stepOf("LXD's suites"),
      failed: 1,
      output:
        "basic_usage      pass     9 s\nfilemanip      fail     9 s\n    log: x\n1 passed, 1 failed\n",
    },
  ]);

  assert.deepEqual(tries.map(({ step, failed }) => [step.name, failed]), [
    ["kernel 1, again", 2],
    ["VMs, again", 1],
    ["LXD's suites, again", 1],
  ]);
  const [kernel, vms, suites] = tries.map(({ step }) => step.argv);
  assert.deepEqual(kernel?.slice(0, 3), ["env", "LXD_TEST_EVERY_EFFECT=1", "deno"]);
  assert.deepEqual(kernel?.filter((word) => word.endsWith(".ts")), ["tests/kernel/a_test.ts"]);
  assert.deepEqual(vms, ["tools/test", "vm", "limits_v2"]);
  assert.deepEqual(suites, ["tools/compat", "filemanip"]);
});

Deno.test("secondTries() does not repeat a step that failed as a whole, nor many failures", () => {
  const many = ["a", "b", "c", "d"].map((name) => `x => ./tests/kernel/${name}_test.ts:1:1`);

  for (
    const [name, output] of [
      ["types", "error: TS2345"],
      ["kernel 1", `${many[0]}\nit took more than 9 s`],
      ["kernel 1", `${many.join("\n")}\nFAILED | 0 passed | 4 failed (3s)`],
    ] as const
  ) {
    assert.deepEqual(secondTries([{ step: stepOf(name), failed: 1, output }]), []);
  }
});
