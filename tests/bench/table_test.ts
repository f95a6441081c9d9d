import assert from "node:assert/strict";
import type { Figure } from "./figure.ts";
import { formatTable, makeRow } from "./table.ts";

const measure = () => Promise.resolve(undefined);
const launch: Figure = {
  name: "launch",
  unit: "ms",
  better: "less",
  target: { ratio: 1 / 20, limit: 150 },
  measure,
};
const rate: Figure = { name: "rate", unit: "MB/s", better: "more", target: { ratio: 1 }, measure };

Deno.test("makeRow() wants both the limit and the ratio", () => {
  assert.equal(makeRow(launch, [100, 120, 140], [5000]).met, true);
  assert.equal(makeRow(launch, [160], [5000]).met, false);
  assert.equal(makeRow(launch, [120], [1000]).met, false);
});

Deno.test("makeRow() turns the comparison around where more is better", () => {
  assert.equal(makeRow(rate, [300], [200]).met, true);
  assert.equal(makeRow(rate, [100], [200]).met, false);
});

Deno.test("makeRow() says nothing about a ratio without the other side", () => {
  assert.equal(makeRow(rate, [100], undefined).met, undefined);
});

Deno.test("formatTable() shows medians, ratio and target", () => {
  const text = formatTable([makeRow(launch, [100], [5000])]);

  assert.match(text, /launch +100 ms +5000 ms +1\/50\.0 +<= 1\/20 of LXD, <= 150 ms +met/);
});
