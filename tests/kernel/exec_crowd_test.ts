/** Crowds of exec sessions, slow readers and clients that never come: nothing is left of any of them. */
import { type ExecStreams, openExec } from "#tests/world/exec.ts";
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import assert from "node:assert/strict";

const NAME = `crowd${Deno.pid}`;
const AT = `/1.0/instances/${NAME}`;
const SESSIONS = 1000;
/** Of a client that starts many: as many requests are on their way. */
const AT_ONCE = 40;
const SETTLE_MS = 20_000;

let world: InstanceDaemon;
Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 35 });
  await world.launch(NAME);
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** What the daemon holds and runs: descriptors, and processes that it started. */
async function held(): Promise<{ descriptors: number; inside: number }> {
  const { pid: init } = await world.api.get(`${AT}/state`);
  const namespace = await Deno.readLink(`/proc/${init}/ns/pid`);
  const commands = await Promise.all(
    Array.from(Deno.readDirSync("/proc"), async ({ name }) => {
      if (!/^\d+$/.test(name)) return "";
      // Others come and go meanwhile.
      const its = await Deno.readLink(`/proc/${name}/ns/pid`).catch(() => "");
      if (its !== namespace) return "";
      return await Deno.readTextFile(`/proc/${name}/comm`).catch(() => "");
    }),
  );
  const inside = commands.filter((command) => /^(sleep|head)\n/.test(command)).length;
  const { pid } = world.daemon;
  const targets = await Promise.all(
    Array.from(
      Deno.readDirSync(`/proc/${pid}/fd`),
      ({ name }) => Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => ""),
    ),
  );
  // Connections of clients that keep them, and the databases' own files, come and go.
  const kinds = targets.filter((target) => /^(pipe|\/dev\/p|anon_inode:\[pidfd)/.test(target));
  return { descriptors: kinds.length, inside };
}

async function assertHeld(expected: Awaited<ReturnType<typeof held>>, when: string) {
  const end = performance.now() + SETTLE_MS;
  for (;;) {
    const now = await held();
    if (now.descriptors <= expected.descriptors && now.inside === expected.inside) return;
    if (performance.now() > end) assert.deepEqual(now, expected, when);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Run tasks, a few at a time. */
async function each<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = [...items];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      results.push(await run(item));
    }
  }));
  return results;
}

const numbers = Array.from({ length: SESSIONS }, (_, index) => index);

Deno.test("exec: a thousand sessions at once, and nothing is left of them", async () => {
  const before = await held();
  const body = { command: ["sleep", "1000"] };
  const sessions: ExecStreams[] = await each(
    numbers,
    () => openExec(world.api, AT, body, ["0", "1", "2"]),
  );

  const end = performance.now() + SETTLE_MS;
  while ((await held()).inside < before.inside + SESSIONS) {
    assert.ok(performance.now() < end, JSON.stringify(await held()));
  }
  const returns = await each(sessions, async (session) => {
    session.hangUp("1");
    return (await session.ended()).metadata.return;
  });

  assert.deepEqual(new Set(returns), new Set([137]));
  for (const session of sessions) for (const name of ["0", "2"]) session.hangUp(name);
  await assertHeld(before, "after a thousand sessions");
});

Deno.test("exec: 4 GiB that nobody reads wait in the container", async () => {
  const before = await held();
  const residentMb = () =>
    Number(
      /VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${world.daemon.pid}/status`))?.[1],
    ) / 1024;
  const body = { command: ["head", "-c", "4096m", "/dev/zero"] };
  const exec = await openExec(world.api, AT, body, ["0", "1", "2", "control"]);
  await exec.until("1", /\0/);
  exec.stall("1");
  const start = residentMb();

  for (let second = 0; second < 4; second++) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const now = residentMb();
    assert.ok(now - start < 64, `grew from ${start} to ${now} MB`);
  }

  for (const name of ["control", "1"]) exec.hangUp(name);
  const ended = await exec.ended();
  // Killed, or told that nobody reads: whichever is first.
  assert.ok([137, 141].includes(ended.metadata.return), JSON.stringify(ended));
  await exec[Symbol.asyncDispose]();
  await assertHeld(before, "after the slow reader");
});

Deno.test("exec: a client that never connects, or cancels before, leaves nothing", async () => {
  const { api } = world;
  const before = await held();
  const body = { command: ["sleep", "1000"], "wait-for-websocket": true };

  const late = await api.ask("POST", `${AT}/exec`, body);
  const cancelled = await api.ask("POST", `${AT}/exec`, body);
  const answer = await api.ask("DELETE", cancelled.body.operation);
  // At once: what has ended is shown for some seconds only.
  if (answer.status === 200) {
    const { metadata } = (await api.ask("GET", `${cancelled.body.operation}/wait`)).body;
    assert.match(metadata.status, /Cancelled|Failure/);
  } else assert.equal(answer.status, 400, answer.text);
  const ended = await api.ask("GET", `${late.body.operation}/wait?timeout=20`);

  assert.match(ended.body.metadata.err, /Timed out waiting for websockets/);
  await assertHeld(before, "after those that did not come");
});
