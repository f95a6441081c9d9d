import assert from "node:assert/strict";
import { expiryAfter, snapshotName } from "./snapshot_name.ts";

const now = new Date("2026-03-01T10:20:30Z");

Deno.test("snapshotName() counts up from the highest number in use", () => {
  assert.equal(snapshotName("snap%d", [], now), "snap0");
  assert.equal(snapshotName("snap%d", ["snap0", "snap7", "other"], now), "snap8");
});

Deno.test("snapshotName() fills in the time", () => {
  assert.equal(
    snapshotName("{{ creation_date|date:'2006-01-02_15-04-05' }}", [], now),
    "2026-03-01_10-20-30",
  );
  assert.equal(snapshotName("daily", ["daily", "daily-0"], now), "daily-1");
});

Deno.test("expiryAfter() adds each part", () => {
  assert.equal(expiryAfter(now, ""), "");
  assert.equal(expiryAfter(now, "1w 2H"), "2026-03-08T12:20:30Z");
});

Deno.test("snapshotName() refuses a pattern that makes no name, or one of another place", () => {
  for (
    const pattern of ["a/b", "../../x%d", "..", ".", "{{ nothing }}", "a b", "{{ creation_date }}"]
  ) {
    assert.throws(
      () => snapshotName(pattern, [], now),
      /^Fault: snapshots.pattern ".*Invalid/,
      pattern,
    );
  }
  assert.throws(() => snapshotName("a".repeat(200), [], now), /Invalid snapshot name/);
});
