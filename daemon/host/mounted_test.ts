import assert from "node:assert/strict";
import { parseMountInfo } from "./mounted.ts";

Deno.test("parseMountInfo() reads roots, targets with spaces, types and sources", () => {
  const text =
    "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n";

  assert.deepEqual(parseMountInfo(text), [
    { fsRoot: "/mnt1", target: "/mnt 2", type: "ext3", source: "/dev/root" },
  ]);
});
