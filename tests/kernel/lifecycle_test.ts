/** Ends and starts that nobody asked the daemon for: from inside, while it was away, with the host. */
import { CrashWorld } from "#tests/world/crash.ts";
import { EventStream } from "#tests/world/events.ts";
import { DEBIAN, OURS } from "#tests/world/daemon.ts";
import { setUp } from "#tests/world/instances.ts";
import { must } from "#tests/world/run.ts";
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
        // Who comes next waits for that of the highest priority.
        ...index === 2 && { "boot.autostart.delay": "1" },
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
  const [, second = 0, first = 0] = last;
  assert.ok(second - first >= 1000, `boot.autostart.delay: ${second - first} ms`);
  await remove(...names);
});

Deno.test("lifecycle: lxd shutdown kills who does not end in boot.host_shutdown_timeout", async () => {
  // Its init does nothing at this signal.
  const deaf = { "raw.lxc": "lxc.signal.halt=SIGWINCH", "boot.host_shutdown_timeout": "2" };
  await launch(NAME, { config: deaf });
  const { pid } = await state(NAME);
  const started = performance.now();

  await must([OURS.lxd, "shutdown"], { env: { LXD_DIR: world.directory } });

  const tookMs = performance.now() - started;
  assert.ok(tookMs >= 2000 && tookMs < 15_000, `${tookMs} ms`);
  assert.throws(() => Deno.statSync(`/proc/${pid}`), Deno.errors.NotFound);
  await world.startDaemon();
  await until(async () => (await state(NAME)).status === "Running");
  await remove(NAME);
});

Deno.test("lifecycle: a client pauses, resumes, restarts, stops and starts all at once", async () => {
  const names = ["a", "b"].map((letter) => `${NAME}${letter}`);
  for (const name of names) await launch(name);
  await world.api.do("POST", "/1.0/instances", {
    ...{ name: `${NAME}c`, source: { type: "image", alias: "busybox" } },
  });
  const states = async () =>
    (await world.api.get("/1.0/instances?recursion=1")).map((one: { status: string }) =>
      one.status
    );
  const pids = () => Promise.all(names.map(async (name) => (await state(name)).pid));
  const env = { LXD_DIR: world.directory, LXD_CONF: world.folder };
  const all = (lxc: string, ...verb: string[]) => must([lxc, ...verb, "--all"], { env });

  for (const lxc of [OURS.lxc, DEBIAN.lxc]) {
    const before = await pids();
    await all(lxc, "pause");
    assert.deepEqual(await states(), ["Frozen", "Frozen", "Stopped"]);
    // Debian's client has no word for it.
    await all(OURS.lxc, "resume");
    assert.deepEqual(await states(), ["Running", "Running", "Stopped"]);
    assert.deepEqual(await pids(), before, "who was paused goes on");
    await all(lxc, "restart", "--force");
    assert.deepEqual(await states(), ["Running", "Running", "Stopped"]);
    assert.ok((await pids()).every((pid, index) => pid !== before[index]));
    await all(lxc, "stop", "--force");
    assert.deepEqual(await states(), ["Stopped", "Stopped", "Stopped"]);
    await all(lxc, "start");
    assert.deepEqual(await states(), ["Running", "Running", "Running"]);
    await must([lxc, "stop", "--force", `${NAME}c`], { env });
  }
  await remove(...names, `${NAME}c`);
});
