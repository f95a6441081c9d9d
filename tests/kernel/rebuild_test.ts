/** A rebuild gives an instance a new root; all else of it stays, also where a crash cuts it off. */
import { EventStream } from "#tests/world/events.ts";
import { OURS } from "#tests/world/daemon.ts";
import { must, run } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { CrashedInstance } from "./crash_support.ts";

let one: CrashedInstance;
Deno.test.beforeAll(async () => {
  one = await CrashedInstance.open(15);
});
Deno.test.afterAll(() => one.world[Symbol.asyncDispose]());

const image = { source: { type: "image", alias: "busybox" } };
const api = () => one.world.api;
const rebuild = () => api().do("POST", `${one.at}/rebuild`, image);
const env = () => ({ LXD_DIR: one.world.directory, LXD_CONF: one.world.folder });
const file = () => `${one.at}/files?path=/etc/of-old`;
const hasFile = async () => (await api().ask("GET", file())).status === 200;
const writeFile = () =>
  api().do("POST", file(), undefined, { raw: new TextEncoder().encode("old") });

Deno.test("rebuild: the root is new, identity, configuration and addresses stay", async () => {
  await one.create();
  await api().do("PATCH", one.at, { config: { "user.a": "b", "image.made-up": "c" } });
  await one.setState("start");
  await writeFile();
  const before = await api().get(one.at);
  const [status, error] = await api().fails("POST", `${one.at}/rebuild`, image);
  assert.deepEqual([status, /must be stopped/.test(error)], [400, true]);
  using events = await EventStream.open(api().socketPath, "?type=lifecycle");

  await must([OURS.lxc, "rebuild", "busybox", one.name, "--force"], { env: env() });

  await events.find(({ metadata }) => metadata.action === "instance-rebuilt");
  const after = await api().get(one.at);
  assert.equal(after.status, "Running");
  assert.equal(await hasFile(), false);
  for (const key of ["user.a", "volatile.uuid", "volatile.eth0.hwaddr", "volatile.base_image"]) {
    assert.equal(after.config[key], before.config[key], key);
  }
  assert.equal(after.config["image.made-up"], undefined);
  assert.equal(after.created_at, before.created_at);
  await one.setState("stop");
  await must([OURS.lxc, "rebuild", "--empty", one.name], { env: env() });
  assert.equal((await api().get(one.at)).config["volatile.base_image"], undefined);
  await rebuild();
  await one.setState("start");
  await one.setState("stop");
  await one.assertStopped("rebuilt of nothing and of the image");
  await one.removeWhole("at the end");
});

Deno.test("rebuild: what can't be is refused, and nothing has changed", async () => {
  await one.create();
  await writeFile();
  const refused = async (body: unknown, status: number, why: RegExp) => {
    const [code, error] = await api().fails("POST", `${one.at}/rebuild`, body);
    assert.deepEqual([code, why.test(error)], [status, true], error);
  };
  await refused({}, 400, /source/);
  await refused({ source: { type: "image", alias: "nowhere" } }, 404, /not found/);
  await refused({ source: { type: "copy", source: one.name } }, 400, /image and none/);
  const both = await run([OURS.lxc, "rebuild", "busybox", one.name, "--empty"], { env: env() });
  assert.match(both.stderr, /--empty cannot be combined/);
  await api().do("POST", `${one.at}/snapshots`, { name: "s" });
  await refused(image, 400, /has snapshots/);

  assert.equal(await hasFile(), true);
  await one.removeWhole("at the end");
});

Deno.test("rebuild: one that a crash cuts off is taken back or finished", async () => {
  await one.create();
  const effects = await one.killAtEach(rebuild, async (when) => {
    const { config } = await api().get(one.at);
    assert.equal(config["volatile.rebuild"], undefined, when);
    await one.setState("start");
    await one.setState("stop");
    await one.assertStopped(when);
  });

  assert.ok(effects > 5, `${effects}`);
  await one.removeWhole("at the end");
});
