/**
 * The daemon is killed in front of every effect that a change of an instance has. The next daemon finds
 * it whole or gone, adopts what runs, and leaves nothing of what is gone.
 */
import assert from "node:assert/strict";
import { CrashedInstance } from "./crash_support.ts";

let one: CrashedInstance;

Deno.test.beforeAll(async () => {
  one = await CrashedInstance.open(13);
});
Deno.test.afterAll(async () => {
  await one.world[Symbol.asyncDispose]();
});

Deno.test("crash: an instance that is being created is whole or gone", async () => {
  const effects = await one.killAtEach(() => one.create(), async (when) => {
    const found = await one.status();
    if (found === undefined) return await one.assertNothing(when);
    assert.equal(found, "Stopped");
    await one.setState("start");
    await one.removeWhole(when);
  });

  assert.ok(effects > 5, `${effects}`);
  await one.removeWhole("at the end");
});

Deno.test("crash: an instance that is being deleted is whole or gone", async () => {
  await one.create();
  const effects = await one.killAtEach(() => one.remove(), async (when) => {
    if (await one.status() !== undefined) {
      await one.setState("start");
      await one.setState("stop");
      await one.remove();
    }
    await one.assertNothing(when);
    await one.create();
  });

  assert.ok(effects > 5, `${effects}`);
});
