import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { checkIfMatch, etagOf } from "./etag.ts";

const VALUE = ["x86_64", { "user.a": "1" }, false];

Deno.test("etagOf() hashes JSON and a newline, as LXD does", () => {
  const expected = createHash("sha256").update('["x86_64",{"user.a":"1"},false]\n').digest("hex");

  assert.equal(etagOf(VALUE), expected);
});

Deno.test("checkIfMatch() passes without a header, and with the right one, quoted or not", () => {
  for (const header of [undefined, "", "*", etagOf(VALUE), `"${etagOf(VALUE)}"`]) {
    assert.doesNotThrow(() => checkIfMatch(header, VALUE));
  }
});

Deno.test("checkIfMatch() refuses another value with both hashes and what to do", () => {
  const header = etagOf("before");
  assert.throws(() => checkIfMatch(header, VALUE), {
    kind: "precondition_failed",
    status: 412,
    message: `ETag doesn't match: ${etagOf(VALUE)} vs ${header}`,
    hint: /read it again/,
  });
});
