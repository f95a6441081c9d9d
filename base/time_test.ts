import assert from "node:assert/strict";
import { parseExpiry, trimmedTime, wireTime } from "./time.ts";

for (
  const [text, want] of [
    ["2100-01-01T00:00:00Z", "2100-01-01T00:00:00Z"],
    ["2100-01-01T00:00:10.000Z", "2100-01-01T00:00:10Z"],
    ["2100-01-01T00:00:00.500Z", "2100-01-01T00:00:00.5Z"],
    ["2100-01-01T00:00:00.123Z", "2100-01-01T00:00:00.123Z"],
  ] as const
) {
  Deno.test(`wireTime() writes ${text} as ${want}`, () => {
    assert.equal(wireTime(new Date(text)), want);
  });
}

Deno.test("trimmedTime() leaves whole seconds and nanoseconds as they are", () => {
  const texts = [
    "2026-01-01T10:20:30Z",
    "2026-01-01T10:20:30.900Z",
    "2026-01-01T10:20:30.123456789Z",
  ];

  assert.deepEqual(texts.map(trimmedTime), [texts[0], "2026-01-01T10:20:30.9Z", texts[2]]);
});

Deno.test("parseExpiry() takes RFC 3339 alone, and what Go writes for never", () => {
  assert.equal(parseExpiry("2030-01-02T03:04:05+01:00"), "2030-01-02T02:04:05Z");
  assert.deepEqual(["", "0001-01-01T00:00:00Z", undefined].map(parseExpiry), ["", "", undefined]);
  for (const text of ["yesterday", "2030", "2030-01-02", "2030-13-02T03:04:05Z"]) {
    assert.throws(() => parseExpiry(text), /invalid time/, text);
  }
});
