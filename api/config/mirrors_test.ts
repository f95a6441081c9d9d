import assert from "node:assert/strict";
import { parseMirrors } from "./mirrors.ts";

Deno.test("parseMirrors() reads mirrors of several servers", () => {
  const text = "https://a/=https://b,https://c/x/\n https://d=https://e https://a=https://f?x=1";

  assert.deepEqual([...parseMirrors(text)], [
    ["https://a", ["https://b", "https://c/x", "https://f?x=1"]],
    ["https://d", ["https://e"]],
  ]);
  assert.equal(parseMirrors("").size, 0);
});

Deno.test("parseMirrors() wants https URLs on both sides", () => {
  for (const text of ["https://a", "https://a=", "a=https://b", "https://a=http://b", "x"]) {
    assert.throws(() => parseMirrors(text), /invalid URL/, text);
  }
});
