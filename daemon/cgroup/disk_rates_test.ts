import assert from "node:assert/strict";
import { combineRates, diskRates, parseRate, planDiskRates } from "./disk_rates.ts";

const v1 = { v1: { blkio: "/b" }, v2: undefined, v2Controllers: [] };
const v2 = { v1: {}, v2: "/c", v2Controllers: ["io"] };
const none = new Map();

Deno.test("parseRate() tells bytes from operations and refuses the rest", () => {
  assert.deepEqual(parseRate("10MB"), { bytes: 10_000_000 });
  assert.deepEqual(parseRate("500iops"), { ops: 500 });
  assert.throws(() => parseRate("fast"), /want 10MB \(a second\) or 500iops/);
  assert.throws(() => parseRate("-1iops"), /invalid rate/);
});

Deno.test("diskRates() takes limits.max for what has no limit of its own", () => {
  assert.equal(diskRates({}), undefined);
  assert.deepEqual(diskRates({ "limits.max": "1kB", "limits.write": "5iops" }), {
    readBytes: 1000,
    writeOps: 5,
  });
});

Deno.test("combineRates() averages disks of one block device", () => {
  const rates = combineRates([
    { block: "8:0", rates: { readBytes: 100, writeOps: 4 } },
    { block: "8:0", rates: { readBytes: 200 } },
    { block: "8:16", rates: { writeOps: 1 } },
  ]);

  assert.deepEqual([...rates], [["8:0", { readBytes: 150, writeOps: 4 }], ["8:16", {
    writeOps: 1,
  }]]);
});

Deno.test("planDiskRates() writes what changes, and lifts what went", () => {
  const before = combineRates([{ block: "8:0", rates: { readBytes: 100, writeOps: 4 } }]);
  const after = combineRates([{ block: "8:0", rates: { readBytes: 100, writeBytes: 7 } }]);
  const lines = (layout: Parameters<typeof planDiskRates>[0], old: typeof before, next = after) =>
    planDiskRates(layout, old, next).map(({ file, value }) => `${file}: ${value}`);

  assert.deepEqual(lines(v1, none), [
    "blkio.throttle.read_bps_device: 8:0 100",
    "blkio.throttle.write_bps_device: 8:0 7",
  ]);
  assert.deepEqual(lines(v1, before), [
    "blkio.throttle.write_bps_device: 8:0 7",
    "blkio.throttle.write_iops_device: 8:0 0",
  ]);
  assert.deepEqual(lines(v2, before), ["io.max: 8:0 wbps=7 wiops=max"]);
  assert.deepEqual(lines(v2, after, none), ["io.max: 8:0 rbps=max wbps=max"]);
  assert.deepEqual(lines(v2, after), []);
});
