import assert from "node:assert/strict";
import { judge } from "./verdict.ts";

const END = "\n==> Cleaning up\n\n==> Test result: ";

Deno.test("judge() passes a suite whose harness says success", () => {
  assert.equal(judge(`==> TEST BEGIN: exec\n+ lxc list${END}success\n`, 0).result, "pass");
});

Deno.test("judge() tells a skip of the whole test from a skip inside", () => {
  const whole = `==> SKIP: test_pki easyrsa not installed${END}success\n`;
  const inside = `==> SKIP: no AppArmor here\n+ lxc list\n==> TEST DONE: x (1s)${END}success\n`;
  const returned = `==> SKIP: no card\n+ return\n+ [ -n  ]\n+ date +%s\n+ END_TIME=1\n` +
    `==> TEST DONE: x (1s)${END}success\n`;

  assert.deepEqual(judge(whole, 0), { result: "skip", why: "test_pki easyrsa not installed" });
  assert.deepEqual(judge(returned, 0), { result: "skip", why: "no card" });
  assert.equal(judge(inside, 0).result, "pass");
});

Deno.test("judge() fails a suite that left files or rows behind, though it says success", () => {
  const log = `+ true${END}success\n/x/containers/ is not empty, content:\n/x/containers/c1\n`;

  assert.equal(judge(log, 0).result, "fail");
  assert.match(judge(log, 0).why, /containers\/c1/);
});

Deno.test("judge() quotes the last words before the clean-up of a failure", () => {
  const verdict = judge(`+ lxc bad\r\nError: no\r\n+ set +x${END}failure\n`, 1);

  assert.deepEqual(verdict, { result: "fail", why: "+ lxc bad\nError: no" });
});

Deno.test("judge() knows the time limit by timeout's status", () => {
  assert.equal(judge(`+ lxc hang${END}success\n`, 124).result, "timeout");
});
