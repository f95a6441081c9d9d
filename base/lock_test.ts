import assert from "node:assert/strict";
import { LockTable } from "./lock.ts";

Deno.test("acquireAll() does not wait for ever for one who wants the same names the other way", async () => {
  const locks = new LockTable();
  const order: string[] = [];
  const hold = async (who: string, names: readonly string[]) => {
    using _held = await locks.acquireAll(names, AbortSignal.timeout(5000));

    await Promise.resolve();
    order.push(who);
  };

  await Promise.all([hold("first", ["a", "b"]), hold("second", ["b", "a"])]);

  assert.deepEqual(order, ["first", "second"]);
  assert.ok(!locks.isBusy("a") && !locks.isBusy("b"));
});

Deno.test("acquireAll() holds a name once that is given twice", async () => {
  const locks = new LockTable();

  (await locks.acquireAll(["a", "a"], AbortSignal.timeout(5000)))[Symbol.dispose]();

  assert.ok(!locks.isBusy("a"));
});

Deno.test("acquireAll() holds none when it is aborted while it waits", async () => {
  const locks = new LockTable();
  using held = await locks.acquire("b");
  const waiting = locks.acquireAll(["a", "b"], AbortSignal.timeout(10));

  await assert.rejects(waiting);

  assert.ok(!locks.isBusy("a"));
  held[Symbol.dispose]();
});
