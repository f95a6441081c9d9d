import assert from "node:assert/strict";
import { parseRanges } from "./ranges.ts";

Deno.test("parseRanges() reads user ids, group ids and both", () => {
  const map = parseRanges(["b:0:100000:65536", "u:1000:5:1", "g:0:0:4294967295"]);

  assert.deepEqual(map, [
    { isUid: true, isGid: true, nsId: 0, hostId: 100000, size: 65536 },
    { isUid: true, isGid: false, nsId: 1000, hostId: 5, size: 1 },
    { isUid: false, isGid: true, nsId: 0, hostId: 0, size: 4294967295 },
  ]);
});

const WRONG: readonly (readonly [word: string, message: string])[] = [
  ["", 'Bad idmap: ""'],
  ["b:0", 'Bad idmap: "b:0"'],
  ["b:0:1:2:3", 'Bad idmap: "b:0:1:2:3"'],
  ["x:0:0:0", 'Bad idmap type in "x:0:0:0"'],
  ["B:0:1:2", 'Bad idmap type in "B:0:1:2"'],
  ["ub:0:1:2", 'Bad idmap type in "ub:0:1:2"'],
  ["b:a:0:1", 'strconv.ParseUint: parsing "a": invalid syntax'],
  ["b::0:1", 'strconv.ParseUint: parsing "": invalid syntax'],
  ["b:0:-5:1", 'strconv.ParseUint: parsing "-5": invalid syntax'],
  ["b:0:1e3:1", 'strconv.ParseUint: parsing "1e3": invalid syntax'],
  ["b:0:1:99999999999", 'strconv.ParseUint: parsing "99999999999": value out of range'],
  ["b:0:4294967295:1", 'Bad idmap: "b:0:4294967295:1" goes beyond the last id'],
];

Deno.test("parseRanges() says of each wrong range what LXD says", () => {
  for (const [word, message] of WRONG) {
    assert.throws(() => parseRanges(["b:0:100000:1", word]), { message });
  }
});
