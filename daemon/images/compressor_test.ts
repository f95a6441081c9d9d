import { Fault } from "#base/errors.ts";
import assert from "node:assert/strict";
import { compressorOf } from "./compressor.ts";

Deno.test("compressorOf() uses all cores, and hands levels on", () => {
  assert.deepEqual(compressorOf("zstd"), { kind: "filter", command: "zstd -T0" });
  assert.deepEqual(compressorOf("zstd -19"), { kind: "filter", command: "zstd -T0 -19" });
  assert.deepEqual(compressorOf("none"), { kind: "none" });
  assert.equal(compressorOf("squashfs").kind, "archiver");
});

Deno.test("compressorOf() refuses other programs, and options that write elsewhere", () => {
  for (
    const text of [
      "",
      "rar",
      "sh -c id",
      "zstd -o /etc/passwd",
      "gzip --output=/x",
      "xz;id",
      "gzip -S/x",
      "none -1",
      "constructor",
    ]
  ) {
    assert.throws(() => compressorOf(text), Fault, text);
  }
});
