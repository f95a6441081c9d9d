import assert from "node:assert/strict";
import { type Chore, Scheduler } from "./scheduler.ts";

function choreOf(times: readonly number[]): Chore & { readonly runs: number[] } {
  const runs: number[] = [];
  return {
    what: "test",
    runs,
    next: (since) => {
      const time = times.find((one) => one > since.getTime());
      return Promise.resolve(time === undefined ? undefined : new Date(time));
    },
    run: (_since, now) => Promise.resolve(void runs.push(now.getTime())),
  };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("a chore runs once for each of its times, not before and not for past ones", async () => {
  const start = Date.now();
  const chore = choreOf([start - 1000, start + 60, start + 160]);
  const scheduler = new Scheduler({ chores: [chore], onError: assert.fail });

  scheduler.start();
  await pause(300);
  await scheduler.close();

  assert.equal(chore.runs.length, 2);
  assert.ok((chore.runs[0] ?? 0) >= start + 60);
  assert.ok((chore.runs[1] ?? 0) >= start + 160);
});

Deno.test("touch() finds what became due earlier than the timer; a failure does not end the others", async () => {
  const times: number[] = [];
  const errors: string[] = [];
  const chore = choreOf(times);
  const broken: Chore = {
    what: "break",
    next: () => Promise.reject(new Error("no")),
    run: () => Promise.resolve(),
  };
  const scheduler = new Scheduler({
    chores: [broken, chore],
    onError: (what) => void errors.push(what),
  });
  scheduler.start();
  await pause(20);

  times.push(Date.now() + 10);
  scheduler.touch();
  scheduler.touch();
  await pause(300);
  await scheduler.close();

  assert.equal(chore.runs.length, 1);
  assert.ok(errors.length >= 2);
});
