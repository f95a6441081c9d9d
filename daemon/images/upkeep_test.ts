import assert from "node:assert/strict";
import { forgottenAt } from "./upkeep.ts";

const DAY = 24 * 3600 * 1000;
const at = (lastUsedAt: string, uploadedAt = "2026-01-01T00:00:00Z") =>
  forgottenAt({ lastUsedAt, uploadedAt }, 10) - Date.parse("2026-01-01T00:00:00Z");

Deno.test("forgottenAt() counts from the last use, from the upload when there was none", () => {
  assert.equal(at("2026-01-03T00:00:00Z"), 12 * DAY);
  assert.equal(at(""), 10 * DAY);
  assert.equal(at("0001-01-01T00:00:00Z"), 10 * DAY);
});

Deno.test("forgottenAt() reads the form that sqlite and date(1) write", () => {
  assert.equal(at("2026-01-03 00:00:00+00:00"), 12 * DAY);
});
