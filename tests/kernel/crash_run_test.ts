/**
 * The daemon is killed in front of every effect that a change of an instance has. The next daemon finds
 * it whole or gone, adopts what runs, and leaves nothing of what is gone.
 */
import assert from "node:assert/strict";
import { CrashedInstance } from "./crash_support.ts";

let one: CrashedInstance;

Deno.test.beforeAll(async () => {
  one = await CrashedInstance.open(14);
});
Deno.test.afterAll(async () => {
  await one.world[Symbol.asyncDispose]();
});

Deno.test("crash: an instance that is being started runs or is stopped", async () => {
  await one.create();
  await one.setState("start");
  await one.setState("stop");
  const effects = await one.killAtEach(() => one.setState("start"), async (when) => {
    if (await one.status() === "Running") await one.setState("stop");
    assert.equal(await one.status(), "Stopped");
    await one.assertStopped(when);
  });

  assert.ok(effects > 10, `${effects}`);
  await one.removeWhole("at the end");
});

Deno.test("crash: an instance that is being stopped is stopped or goes on", async () => {
  await one.create();
  await one.setState("start");
  const effects = await one.killAtEach(() => one.setState("stop"), async (when) => {
    const { pid } = await one.world.api.get(`${one.at}/state`);
    if (pid > 0) {
      assert.match(await Deno.readTextFile(`/proc/${pid}/cmdline`), /init/);
      await one.setState("stop");
    }
    await one.assertStopped(when);
    await one.setState("start");
  });

  assert.ok(effects > 2, `${effects}`);
  await one.removeWhole("at the end");
});
