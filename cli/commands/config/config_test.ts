import assert from "node:assert/strict";
import { splitTarget } from "./config.ts";

for (
  const [args, label, pairs] of [
    [["core.https_address=[::]:8443"], "", ["core.https_address=[::]:8443"]],
    [["a=1", "b=2"], "", ["a=1", "b=2"]],
    [["core.trust_password", "secret"], "", ["core.trust_password", "secret"]],
    [["c1", "limits.cpu=2"], "c1", ["limits.cpu=2"]],
    [["c1", "limits.cpu", "2"], "c1", ["limits.cpu", "2"]],
    [["c1", "a=1", "b=2"], "c1", ["a=1", "b=2"]],
    [["remote:", "core.x=1"], "remote:", ["core.x=1"]],
    [["remote:c1", "core.x", "a=b"], "remote:c1", ["core.x", "a=b"]],
  ] as const
) {
  Deno.test(`splitTarget() reads ${args.join(" ")}`, () => {
    assert.deepEqual(splitTarget(args), { label, pairs });
  });
}
