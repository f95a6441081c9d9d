import { Fault } from "#base/errors.ts";
import { checkSpace, reserveBytes } from "./space.ts";
import assert from "node:assert/strict";

const MIB = 2 ** 20;

Deno.test("reserveBytes() lets small volumes be filled", () => {
  assert.equal(reserveBytes(64 * MIB), 4 * MIB);
  assert.equal(reserveBytes(2 ** 40), 64 * MIB);
});

Deno.test("checkSpace() says what is needed, what there is and what to do", () => {
  const space = { freeBytes: 164 * MIB, totalBytes: 2 ** 40 };

  checkSpace(space, 100 * MIB, "unpack the image");

  assert.throws(() => checkSpace(space, 100 * MIB + 1, "unpack the image"), (error) => {
    assert.ok(error instanceof Fault);
    assert.equal(error.kind, "no_space");
    assert.equal(error.message, "cannot unpack the image: it needs 101MiB, 100MiB are free");
    assert.match(error.hint ?? "", /Free some space on the storage pool/);
    return true;
  });
});
