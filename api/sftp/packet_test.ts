import assert from "node:assert/strict";
import { encode, Fields, FXP } from "./packet.ts";

const bytesOf = (parts: readonly Uint8Array[]) => [...parts.flatMap((part) => [...part])];

Deno.test("encode() writes length, type, id and fields", () => {
  const packet = encode(FXP.read, 7, [new Uint8Array([9]), { wide: 2 ** 32 + 1 }, 16]);

  assert.deepEqual(bytesOf(packet), [
    ...[0, 0, 0, 22, 5, 0, 0, 0, 7],
    ...[0, 0, 0, 1, 9],
    ...[0, 0, 0, 1, 0, 0, 0, 1],
    ...[0, 0, 0, 16],
  ]);
});

Deno.test("encode() writes only the attributes that are set", () => {
  const attributes = { owner: { uid: 1, gid: 2 }, mode: 0o644 };

  const packet = encode(FXP.mkdir, 1, ["é", { attributes }]);

  const text = [0, 0, 0, 2, 0xc3, 0xa9];
  const wanted = [0, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 1, 164];
  assert.deepEqual(bytesOf(packet).slice(9), [...text, ...wanted]);
  assert.deepEqual(bytesOf(encode(FXP.mkdir, 1, [{ attributes: {} }])).slice(9), [0, 0, 0, 0]);
});

Deno.test("Fields read back what was written, and end where the packet does", () => {
  const stat = [0, 0, 0, 15, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 129, 164];
  const fields = new Fields(
    new Uint8Array([...stat, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 1, 65]),
  );

  assert.deepEqual(fields.stat(), {
    size: 2 ** 32 + 2,
    uid: 3,
    gid: 4,
    mode: 0o100644,
    modifiedSeconds: 6,
  });
  assert.equal(fields.text(), "A");
  assert.throws(() => fields.u32(), RangeError);
});
