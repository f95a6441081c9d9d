/** An instance goes from one daemon of ours to another, through the client: neither needs a network. */
import { EventStream } from "#tests/world/events.ts";
import type { InstanceDaemon } from "#tests/world/instances.ts";
import { startTwoDaemons, type TwoDaemons } from "#tests/world/two_daemons.ts";
import assert from "node:assert/strict";

let two: TwoDaemons;
let one: InstanceDaemon;
let other: InstanceDaemon;
const NAME = `migration${Deno.pid}`;

Deno.test.beforeAll(async () => {
  two = await startTwoDaemons([15, 16]);
  ({ one, other } = two);
});
Deno.test.afterAll(() => two[Symbol.asyncDispose]());

/** As the daemon sees it: its mounts are its own. */
const file = ({ daemon }: InstanceDaemon, snapshot = "") => {
  const folder = snapshot === "" ? "containers" : "containers-snapshots";
  const at = `${daemon.directory}/storage-pools/default/${folder}/${NAME}/${snapshot}`;
  return `/proc/${daemon.pid}/root${at}/rootfs/etc/when`;
};
const lxc = (...args: string[]) => two.lxc(...args);
const at = `/1.0/instances/${NAME}`;

Deno.test("migration: files, snapshots and their configuration arrive; a refresh sends what changed", async () => {
  await one.create(NAME, { config: { "user.mark": "1" } });
  await Deno.writeTextFile(file(one), "first");
  await one.api.do("POST", `${at}/snapshots`, { name: "s0" });
  await Deno.writeTextFile(file(one), "second");

  await lxc("copy", `one:${NAME}`, `other:${NAME}`, "--mode=relay");

  assert.equal(await Deno.readTextFile(file(other)), "second");
  assert.equal(await Deno.readTextFile(file(other, "s0")), "first");
  const copied = await other.api.get(at);
  assert.equal(copied.config["user.mark"], "1");
  assert.equal(copied.config["volatile.apply_template"], "copy");
  assert.equal((await other.api.get(`${at}/snapshots/s0`)).config["user.mark"], "1");

  await other.api.do("POST", `${at}/snapshots`, { name: "theirs" });
  await one.api.do("POST", `${at}/snapshots`, { name: "s1" });
  await Deno.writeTextFile(file(one), "third!");
  await lxc("copy", `one:${NAME}`, `other:${NAME}`, "--mode=relay", "--refresh");
  assert.equal(await Deno.readTextFile(file(other)), "third!");
  assert.equal(await Deno.readTextFile(file(other, "s1")), "second");
  assert.deepEqual(await other.api.get(`${at}/snapshots`), [
    `${at}/snapshots/s0`,
    `${at}/snapshots/s1`,
  ]);
  await other.setState(NAME, "start");
  await other.setState(NAME, "stop", { force: true });
  await other.api.do("DELETE", at);
});

Deno.test("migration: a running instance is copied, a stopped one moved, a live move is refused", async () => {
  await one.setState(NAME, "start");

  await lxc(
    "copy",
    `one:${NAME}`,
    `other:${NAME}`,
    "--mode=relay",
    "--stateless",
    "--instance-only",
  );
  assert.deepEqual(await other.api.get(`${at}/snapshots`), []);
  await other.api.do("DELETE", at);
  const [, error] = await one.api.fails("POST", at, { migration: true, live: true });
  assert.match(error, /Unable to perform container live migration/);
  assert.deepEqual((await one.api.get(`${at}/snapshots`)).length, 2);

  await one.setState(NAME, "stop", { force: true });
  await lxc("move", `one:${NAME}`, `other:${NAME}`, "--mode=relay");
  assert.equal((await one.api.fails("GET", at))[0], 404);
  assert.equal((await other.api.get(`${at}/snapshots`)).length, 2);
  await other.api.do("DELETE", at);
});

Deno.test("migration: both sides show how much has gone, as slowly as the pool wants it", async () => {
  const name = `${NAME}p`;
  await one.create(name);
  const random = crypto.getRandomValues(new Uint8Array(60_000));
  const tree = `/proc/${one.daemon.pid}/root${one.daemon.directory}/storage-pools/default`;
  const path = `${tree}/containers/${name}/rootfs/etc/much`;
  for (let count = 0; count < 80; count++) await Deno.writeFile(path, random, { append: true });
  const limit = (rate: string) =>
    one.api.do("PATCH", "/1.0/storage-pools/default", { config: { "rsync.bwlimit": rate } });
  await limit("2MiB");
  const streams = await Promise.all(
    [one, other].map(({ daemon }) =>
      EventStream.open(`${daemon.directory}/unix.socket`, "?type=operation")
    ),
  );
  const startMs = performance.now();

  await lxc("copy", `one:${name}`, `other:${name}`, "--mode=relay", "--allow-inconsistent");

  assert.ok(performance.now() - startMs > 1500, "4.8 MB at 2 MiB/s");
  for (const stream of streams) {
    const { metadata } = await stream.find(({ metadata }) => metadata.metadata?.fs_progress);
    assert.match(
      metadata.metadata.fs_progress,
      new RegExp(`^${name}: \\d+MB \\([\\d.]+MB/s\\)$`),
    );
    stream[Symbol.dispose]();
  }
  await limit("");
  await one.api.do("DELETE", `/1.0/instances/${name}`);
  await other.api.do("DELETE", `/1.0/instances/${name}`);
});

Deno.test("migration: one that nobody connects to, or that breaks, leaves nothing", async () => {
  const { metadata: sink } = (await other.api.ask("POST", "/1.0/instances", {
    name: NAME,
    source: { type: "migration", mode: "push" },
  })).body;

  const ended = await other.api.get(`/1.0/operations/${sink.id}/wait?timeout=30`);

  assert.equal(ended.status, "Failure");
  assert.match(ended.err, /Timed out waiting for websockets/);
  assert.equal((await other.api.fails("GET", at))[0], 404);
  const [status, error] = await other.api.fails("POST", "/1.0/instances", {
    name: NAME,
    source: { type: "migration", mode: "pull", operation: "ftp://x", secrets: {} },
  });
  assert.match(`${status} ${error}`, /no operation with secrets/);
});
