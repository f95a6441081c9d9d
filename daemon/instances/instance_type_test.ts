import assert from "node:assert/strict";
import { instanceTypeLimits } from "./instance_type.ts";

for (
  const [type, limits] of [
    ["", {}],
    ["c2-m4", { "limits.cpu": "2", "limits.memory": "4096MB" }],
    ["c3", { "limits.cpu": "3" }],
    ["m0.5", { "limits.memory": "512MB" }],
    ["c0.5-m0.2", {
      "limits.cpu": "1",
      "limits.cpu.allowance": "50%",
      "limits.memory": "204MB",
    }],
    ["c1.5", { "limits.cpu": "2", "limits.cpu.allowance": "75%" }],
  ] as const
) {
  Deno.test(`instanceTypeLimits() of "${type}"`, () => {
    assert.deepEqual(instanceTypeLimits(type), limits);
  });
}

for (const type of ["-", "t2.micro", "c-m1", "c1-m", "cx", "c1m1x"]) {
  Deno.test(`instanceTypeLimits() refuses "${type}"`, () => {
    assert.throws(() => instanceTypeLimits(type), /Bad instance type/);
  });
}
