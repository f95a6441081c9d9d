import assert from "node:assert/strict";
import { sortRows, sortVolumes } from "./sort.ts";

const sorted = (...names: string[]) => sortRows(names.map((name) => [name])).flat();

// The order of each is what Debian's lxc 5.0.2 prints.
Deno.test("numbers go by value, zeros in front decide between equals", () => {
  assert.deepEqual(sorted("c10", "c2", "c1"), ["c1", "c2", "c10"]);
  assert.deepEqual(sorted("015f", "0bfc", "00"), ["0bfc", "00", "015f"]);
  assert.deepEqual(sorted("01", "1b", "01a", "1"), ["1", "1b", "01", "01a"]);
});

Deno.test("digits come before all else, which goes by its code", () => {
  assert.deepEqual(sorted("-a", "_x", "B1", "1"), ["1", "-a", "B1", "_x"]);
  assert.deepEqual(sorted("é", "b-1", "b", "a-1", "a1"), ["a1", "a-1", "b", "b-1", "é"]);
});

Deno.test("column by column, what is empty last", () => {
  const rows = [["", "a"], ["x", ""], ["x", "b"]];
  assert.deepEqual(sortRows(rows), [["x", "b"], ["x", ""], ["", "a"]]);
});

Deno.test("a snapshot of a volume stands beside it", () => {
  const rows = [
    ["custom", "v10"],
    ["custom (snapshot)", "v2/s0"],
    ["custom", "v2"],
    ["container", "z"],
    ["container (snapshot)", "c/s0"],
    ["container", "c"],
  ];
  assert.deepEqual(sortVolumes(rows).map(([, name]) => name), [
    "c",
    "c/s0",
    "z",
    "v2",
    "v2/s0",
    "v10",
  ]);
});
