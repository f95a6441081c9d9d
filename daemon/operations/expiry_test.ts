import assert from "node:assert/strict";
import { expiryChore } from "./expiry.ts";

function chore(first: string, clock: { now: string }) {
  const runs: string[] = [];
  return {
    runs,
    made: expiryChore({
      what: "test",
      first: () => Promise.resolve(first),
      run: (time) => Promise.resolve(void runs.push(time.toISOString())),
      now: () => new Date(clock.now),
    }),
  };
}

const SINCE = new Date(0);

Deno.test("what expires later is due at the full minute after it", async () => {
  const { made } = chore("2026-01-01T10:00:30Z", { now: "2026-01-01T09:00:00Z" });

  assert.equal((await made.next(SINCE))?.toISOString(), "2026-01-01T10:01:00.000Z");
});

Deno.test("what had expired before it was noticed stays until the minute is full", async () => {
  const clock = { now: "2026-01-01T10:00:10Z" };
  const { made, runs } = chore("2006-01-01T00:00:00Z", clock);

  const first = await made.next(SINCE);
  clock.now = "2026-01-01T10:01:00Z";
  const again = await made.next(SINCE);
  await made.run(SINCE, new Date(clock.now));

  assert.deepEqual([first?.getTime(), runs.length], [again?.getTime(), 1]);
  assert.equal(first?.toISOString(), "2026-01-01T10:01:00.000Z");
});

Deno.test("nothing that expires is never due", async () => {
  const { made } = chore("", { now: "2026-01-01T10:00:00Z" });

  assert.equal(await made.next(SINCE), undefined);
});
