import assert from "node:assert/strict";
import { trimmedTime, wireTime } from "./time.ts";

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
