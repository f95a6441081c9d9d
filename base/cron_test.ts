import assert from "node:assert/strict";
import { nextTime, parseSchedule } from "./cron.ts";

/** Local time, as schedules are. */
const at = (text: string) => new Date(`${text}:00`);
const next = (schedule: string, after: string) => {
  const time = nextTime(parseSchedule(schedule), at(after));
  return time === undefined ? undefined : [
    time.getFullYear(),
    time.getMonth() + 1,
    time.getDate(),
    time.getHours(),
    time.getMinutes(),
  ].join(" ");
};

Deno.test("nextTime() is the first matching minute strictly after", () => {
  assert.equal(next("*/15 * * * *", "2026-03-01T10:15"), "2026 3 1 10 30");
  assert.equal(next("0 0 * * *", "2026-12-31T23:59"), "2027 1 1 0 0");
  assert.equal(next("10 2,5-8/2 * * *", "2026-03-01T05:10"), "2026 3 1 7 10");
  assert.equal(next("0 12 29 2 *", "2026-03-01T00:00"), "2028 2 29 12 0");
});

Deno.test("nextTime() takes names, and day or weekday when both are limited", () => {
  assert.equal(next("0 6 * jan mon", "2026-12-30T00:00"), "2027 1 4 6 0");
  assert.equal(next("0 6 15 * fri", "2026-03-01T00:00"), "2026 3 6 6 0");
  assert.equal(next("0 6 * * 7", "2026-03-02T00:00"), "2026 3 8 6 0");
});

Deno.test("nextTime() of several parts is the earliest; a day that never comes is undefined", () => {
  assert.equal(next("@daily, 30 5 * * *", "2026-03-01T01:00"), "2026 3 1 5 30");
  assert.equal(next("@hourly,@weekly", "2026-03-01T01:00"), "2026 3 1 2 0");
  assert.equal(next("0 0 30 2 *", "2026-03-01T01:00"), undefined);
  assert.equal(next("@startup", "2026-03-01T01:00"), undefined);
});

Deno.test("parseSchedule() says what is wrong", () => {
  assert.equal(parseSchedule("@startup, 10 5,6 * * *").atStartup, true);
  assert.equal(parseSchedule("").expressions.length, 0);
  for (const bad of ["* * * *", "60 * * * *", "* 5-2 * * *", "*/0 * * * *", "x * * * *"]) {
    assert.throws(() => parseSchedule(bad), /field/, bad);
  }
  assert.throws(() => parseSchedule("@sometimes"), /unknown alias "@sometimes"/);
});
