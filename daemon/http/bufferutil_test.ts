import assert from "node:assert/strict";
import { mask, unmask } from "./bufferutil.ts";

const KEY = new Uint8Array([0x12, 0x34, 0x56, 0x78]);
const plain = (bytes: Uint8Array) => bytes.map((byte, index) => byte ^ (KEY[index & 3] ?? 0));

Deno.test("unmask() gives what byte by byte gives, at any offset and of any length", () => {
  const random = crypto.getRandomValues(new Uint8Array(256));
  for (let offset = 0; offset < 9; offset++) {
    for (const length of [0, 1, 2, 3, 4, 5, 7, 8, 63, 64, 65, 200]) {
      const memory = random.slice();
      const view = memory.subarray(offset, offset + length);
      const wanted = plain(view);

      unmask(view, KEY);

      assert.deepEqual(view, wanted, `${offset} ${length}`);
      assert.deepEqual(memory.subarray(offset + length), random.subarray(offset + length));
      assert.deepEqual(memory.subarray(0, offset), random.subarray(0, offset));
    }
  }
});

Deno.test("mask() leaves its source and what is beside its target", () => {
  const source = crypto.getRandomValues(new Uint8Array(50));
  const before = source.slice();
  const output = new Uint8Array(60);

  mask(source, KEY, output, 5, 50);

  assert.deepEqual(source, before);
  assert.deepEqual(output.subarray(5, 55), plain(source));
  assert.deepEqual([...output.subarray(0, 5), ...output.subarray(55)], Array(10).fill(0));
});
