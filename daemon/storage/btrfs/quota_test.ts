import assert from "node:assert/strict";
import { parseGroup } from "./quota.ts";

const TEXT = `
WARNING: qgroup data inconsistent, rescan recommended
Qgroupid    Referenced    Exclusive  Max referenced   Path
--------    ----------    ---------  --------------   ----
0/5              16384        16384            none   <toplevel>
0/257          1048576        32768        33554432   containers/c1
`;

Deno.test("parseGroup() finds a group among others", () => {
  assert.deepEqual(parseGroup(TEXT, "0/257"), {
    referencedBytes: 1048576,
    exclusiveBytes: 32768,
    limitBytes: 33554432,
  });
  assert.equal(parseGroup(TEXT, "0/5")?.limitBytes, 0);
  assert.equal(parseGroup(TEXT, "0/9"), undefined);
});
