/** Ends and starts that nobody asked the daemon for: from inside, while it was away, with the host. */
import { CrashWorld } from "#tests/world/crash.ts";
import { EventStream } from "#tests/world/events.ts";
import { setUp } from "#tests/world/instances.ts";
import assert from "node:assert/strict";

let world: CrashWorld;
const NAME = `life${Deno.pid}`;
const LIMIT_MS = 30_000;

Deno.test.beforeAll(async () => {
  world = await CrashWorld.open();
  await setUp(world.api, 21);
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const launch = (name: string, body = {}) =>
  world.api.do("POST", "/1.0/instances", {
    name,
    source: { type: "image", alias: "busybox" },
    start: true,
    ...body,
  });
const remove = async (...names: string[]) => {
  const stop = { action: "stop", force: true };
  for (const name of names) {
    await world.api.ask("PUT", `/1.0/instances/${name}/state`, stop)
      .then(({ body }) => body?.operation && world.api.ask("GET", `${body.operation}/wait`));
    await world.api.do("DELETE", `/1.0/instances/${name}`);
  }
};
const state = (name: string) => world.api.get(`/1.0/instances/${name}/state`);
const inside = (name: string, ...command: string[]) =>
  world.api.ask("POST", `/1.0/instances/${name}/exec`, { command, interactive: false });

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (!await isSo()) {
    assert.ok(performance.now() < end, "it never came to be");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
const isGone = async (name: string) =>
  (await world.api.ask("GET", `/1.0/instances/${name}`)).status === 404;
const isStopped = async (name: string) => (await state(name)).status === "Stopped";

Deno.test("lifecycle: a reboot from inside gives a new init, a halt stops, and an ephemeral one goes", async () => {
  await launch(NAME, { ephemeral: true });
  const before = await state(NAME);

  await inside(NAME, "reboot");
  await until(async () => {
    const { status, pid } = await state(NAME);
    return status === "Running" && pid !== before.pid;
  });
  await inside(NAME, "poweroff");
  await until(() => isGone(NAME));

  await launch(NAME);
  await inside(NAME, "poweroff");
  await until(() => isStopped(NAME));
  const { config } = await world.api.get(`/1.0/instances/${NAME}`);
  assert.equal(config["volatile.last_state.power"], "STOPPED");
  await remove(NAME);
});

Deno.test("lifecycle: what ended while the daemon was away is cleaned up, started again or gone", async () => {
  const [stays, returns, goes] = ["a", "b", "c"].map((letter) => `${NAME}${letter}`) as [
    string,
    string,
    string,
  ];
  await launch(stays, { config: { "boot.autostart": "false" } });
  await launch(returns);
  await launch(goes, { ephemeral: true });
  const pids = await Promise.all(
    [stays, returns, goes].map(async (name) => (await state(name)).pid),
  );

  await world.endDaemon("SIGKILL");
  for (const pid of pids) {
    assert.match(await Deno.readTextFile(`/proc/${pid}/cmdline`), /init/);
    Deno.kill(pid, "SIGKILL");
  }
  await world.startDaemon();

  await until(async () => (await state(returns)).status === "Running");
  assert.equal(await isStopped(stays), true);
  assert.equal(await isGone(goes), true);
  await remove(stays, returns);
});

Deno.test("lifecycle: a shutdown stops by priority, a start of the daemon starts by priority", async () => {
  const names = ["a", "b", "c"].map((letter) => `${NAME}${letter}`);
  for (const [index, name] of names.entries()) {
    await launch(name, {
      config: {
        "boot.stop.priority": `${index}`,
        "boot.autostart.priority": `${index}`,
        "boot.host_shutdown_timeout": "5",
      },
    });
  }
  const order = (stream: EventStream, action: string) =>
    stream.frames.filter(({ metadata }) => metadata.action === action)
      .map(({ metadata }) => metadata.source.split("/").at(-1));
  using stopping = await EventStream.open(world.api.socketPath, "?type=lifecycle");

  await world.endDaemon("SIGPWR");

  assert.deepEqual(order(stopping, "instance-shutdown"), names.toReversed());
  await world.startDaemon();
  await until(async () => {
    const all = await Promise.all(names.map(async (name) => (await state(name)).status));
    return all.every((status) => status === "Running");
  });
  const used = await Promise.all(
    names.map(async (name) => (await world.api.get(`/1.0/instances/${name}`)).last_used_at),
  );
  const last = used.map((time) => Date.parse(time));
  assert.deepEqual(last.toSorted((a, b) => b - a), last, "the highest priority is first");
  await remove(...names);
});
