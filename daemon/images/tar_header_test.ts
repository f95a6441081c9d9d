import assert from "node:assert/strict";
import { numberField, parsePax, textField } from "./tar_header.ts";

const bytes = (text: string) => Uint8Array.from(text, (one) => one.charCodeAt(0));

Deno.test("numberField() reads octal text in its usual paddings", () => {
  for (const text of ["0000017\0", "     17 ", "17\0\0\0\0\0\0", "00000017"]) {
    assert.equal(numberField(bytes(text), 0, 8), 15, JSON.stringify(text));
  }
  assert.equal(numberField(bytes("\0\0\0\0"), 0, 4), 0);
});

Deno.test("numberField() reads base-256 beyond what octal holds", () => {
  const field = bytes("\x80\0\0\0\0\0\0\x02\0\0\0\x01");

  assert.equal(numberField(field, 0, 12), 2 ** 33 + 1);
});

Deno.test("numberField() is no number when the text is none, negative when the sign says so", () => {
  for (const text of ["9", "-1", "0x1", "1 2", "1\x001"]) {
    assert.ok(Number.isNaN(numberField(bytes(text), 0, text.length)), text);
  }
  assert.ok(numberField(bytes("\xff\xff\xff\xff"), 0, 4) < 0);
});

Deno.test("textField() ends at the first NUL or with the field", () => {
  assert.equal(textField(bytes("ab\0cd"), 0, 5), "ab");
  assert.equal(textField(bytes("abcd"), 1, 2), "bc");
});

Deno.test("parsePax() reads records whose values hold anything", () => {
  const records = parsePax(bytes("11 path=a\n\n14 x=12 y=z\n1\n7 e=\xff\xfe\n"));

  assert.deepEqual([...records.keys()], ["path", "x", "e"]);
  assert.equal(records.get("path"), "a\n");
  assert.equal(records.get("x"), "12 y=z\n1");
});
