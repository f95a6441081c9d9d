import assert from "node:assert/strict";
import { BadMultipart, dispositionOf, partsOf } from "./multipart.ts";

const BODY =
  'preamble\r\n--abc\r\nContent-Disposition: form-data; name="metadata"\r\n\r\nM\r\n--ab' +
  "\r\n\r\n--abc\r\nX-Other: 1\r\n\r\n\r\n--abc--\r\n";

async function* inPieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

async function read(text: string, size: number) {
  const parts: [Readonly<Record<string, string>>, string][] = [];
  for await (const { headers, pieces } of partsOf(inPieces(text, size), "abc")) {
    let body = "";
    for await (const piece of pieces) body += new TextDecoder().decode(piece);
    parts.push([headers, body]);
  }
  return parts;
}

Deno.test("partsOf() finds the same parts however the body is cut", async () => {
  for (const size of [1, 2, 3, 7, 50, 1000]) {
    assert.deepEqual(await read(BODY, size), [
      [{ "content-disposition": 'form-data; name="metadata"' }, "M\r\n--ab\r\n"],
      [{ "x-other": "1" }, ""],
    ]);
  }
});

Deno.test("partsOf() takes a body that begins with its boundary", async () => {
  const parts = await read("--abc\r\nA: b\r\n\r\nx\r\n--abc--\r\n", 4);

  assert.deepEqual(parts, [[{ a: "b" }, "x"]]);
});

Deno.test("partsOf() refuses a body that ends before its last boundary", async () => {
  await assert.rejects(read(BODY.slice(0, -12), 5), BadMultipart);
});

for (
  const [header, name, filename] of [
    ['form-data; name="metadata"; filename="a b.tar"', "metadata", "a b.tar"],
    ["form-data; name=rootfs; filename=x.squashfs", "rootfs", "x.squashfs"],
    ["form-data; name=metadata;", "metadata", ""],
    ["attachment;filename=x", "", "x"],
  ] as const
) {
  Deno.test(`dispositionOf() understands ${header}`, () => {
    const part = { headers: { "content-disposition": header }, pieces: inPieces("", 1) };

    assert.equal(dispositionOf(part, "name"), name);
    assert.equal(dispositionOf(part, "filename"), filename);
  });
}
