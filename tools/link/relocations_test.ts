import assert from "node:assert/strict";
import { encode } from "./relocations.ts";

/** What the entry makes of the words. */
function decode(words: BigUint64Array): number[] {
  const places: number[] = [];
  let where = 0;
  for (const word of words) {
    if ((word & 1n) === 0n) {
      places.push(Number(word));
      where = Number(word) + 8;
      continue;
    }
    for (let bit = 0; bit < 63; bit++) {
      if ((word >> BigInt(bit + 1) & 1n) === 1n) places.push(where + bit * 8);
    }
    where += 63 * 8;
  }
  return places;
}

Deno.test("encode() names every place once, close together or far apart", () => {
  const dense = Array.from({ length: 500 }, (_, index) => 4096 + index * 8);
  const sparse = Array.from({ length: 200 }, (_, index) => 8 * index * index);
  for (const places of [[], [16], dense, sparse, [8, 8 + 63 * 8, 8 + 64 * 8, 8 + 200 * 8]]) {
    assert.deepEqual(decode(encode(places)), places);
  }
  assert.ok(encode(dense).length < 12);
});
