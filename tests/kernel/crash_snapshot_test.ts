/** As crash_create_test.ts: the daemon is killed in front of every effect, now of snapshots and names. */
import assert from "node:assert/strict";
import { CrashedInstance } from "./crash_support.ts";

let one: CrashedInstance;

Deno.test.beforeAll(async () => {
  one = await CrashedInstance.open(18);
});
Deno.test.afterAll(async () => {
  // There is none if the first step failed, which is what is told then.
  await (one as CrashedInstance | undefined)?.world[Symbol.asyncDispose]();
});

const file = (name: string) =>
  one.world.seen(`storage-pools/default/containers/${one.name}/rootfs/etc/${name}`);

/** Its tree is shown, and can be written. That it starts is tried at the end: it takes a while. */
async function assertWhole(): Promise<void> {
  assert.match(await Deno.readTextFile(file("inittab")), /sysinit/);
  await Deno.writeTextFile(file("mark"), "x");
}

async function assertRuns(): Promise<void> {
  await one.setState("start");
  await one.setState("stop");
}

Deno.test("crash: a snapshot that is being taken is whole or gone, and so is its instance", async () => {
  await one.create();
  const snapshots = `${one.at}/snapshots`;
  const { api } = one.world;
  const take = () => api.do("POST", snapshots, { name: "s" });
  const effects = await one.killAtEach(take, async () => {
    const listed = await api.get(snapshots);
    if (listed.length > 0) await api.do("DELETE", `${snapshots}/s`);
    assert.deepEqual(await api.get(snapshots), []);
    await assertWhole();
  });

  assert.ok(effects > 3, `${effects}`);
  await assertRuns();
  await one.removeWhole("at the end");
});

Deno.test("crash: an instance that is being restored is as it was or as the snapshot", async () => {
  await one.create();
  await one.setState("start");
  await one.setState("stop");
  const { api } = one.world;
  await api.do("POST", `${one.at}/snapshots`, { name: "s" });
  const restore = async () => {
    await Deno.writeTextFile(file("new"), "x");
    await api.do("PUT", one.at, { restore: "s" });
  };
  const effects = await one.killAtEach(restore, async () => {
    await assertWhole();
  });

  assert.ok(effects > 3, `${effects}`);
  await api.do("PUT", one.at, { restore: "s" });
  await assertRuns();
  await one.removeWhole("at the end");
});

Deno.test("crash: an instance that is being renamed has one of both names", async () => {
  await one.create();
  const { api } = one.world;
  const other = `${one.name}-other`;
  const at = `/1.0/instances/${other}`;
  const rename = () => api.do("POST", one.at, { name: other });
  const effects = await one.killAtEach(rename, async () => {
    const names = await api.get("/1.0/instances");
    assert.equal(names.length, 1, names);
    if (names[0] === at) await api.do("POST", at, { name: one.name });
    await assertWhole();
  });

  assert.ok(effects > 3, `${effects}`);
  await api.do("POST", at, { name: one.name });
  await assertRuns();
  await one.removeWhole("at the end");
});
