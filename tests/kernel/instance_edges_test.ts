/** Requests at the edges of an instance's life, as clients make them. */
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import { OURS } from "#tests/world/daemon.ts";
import { run } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

const NAME = `edge${Deno.pid}`;
const AT = `/1.0/instances/${NAME}`;

let world: InstanceDaemon;
Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 41 });
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

Deno.test("exec: an instance whose init has just died is not running", async () => {
  await world.launch(NAME);
  for (let times = 0; times < 5; times++) {
    const { pid } = await world.api.get(`${AT}/state`);
    assert.ok(pid > 1);
    Deno.kill(pid, "SIGKILL");
    // Dead, and not yet missed by the daemon.
    while (hasRoot(pid)) { /* It takes microseconds. */ }
    const reply = await world.api.ask("POST", `${AT}/exec`, { command: ["true"] });
    assert.equal(reply.status, 400, reply.text);
    assert.match(reply.body.error, /^Instance is not running/);
    while ((await world.api.get(`${AT}/state`)).status !== "Stopped") await delay(20);
    await world.setState(NAME, "start");
  }
  await world.daemon.lxc(["delete", "--force", NAME]);
});

function hasRoot(pid: number): boolean {
  try {
    return Deno.readLinkSync(`/proc/${pid}/root`) !== "";
  } catch {
    return false; // Ignored: it is what is asked.
  }
}

Deno.test("PUT: the configuration of another instance leaves the volatile keys alone", async () => {
  // As LXD's client ends `copy --refresh`; the source has been started, the copy has not.
  const copy = `${NAME}c`;
  await world.create(NAME);
  await world.api.do("POST", "/1.0/instances", {
    name: copy,
    source: { type: "copy", source: NAME },
  });
  await world.setState(NAME, "start");
  await world.api.do("PATCH", AT, { config: { "user.role": "source" } });
  const [source, before] = [await world.api.get(AT), await world.api.get(`/1.0/instances/${copy}`)];
  assert.notEqual(source.config["volatile.idmap.current"], undefined);

  await world.api.do("PUT", `/1.0/instances/${copy}`, {
    architecture: source.architecture,
    config: source.config,
    devices: source.devices,
    profiles: source.profiles,
  });

  const after = await world.api.get(`/1.0/instances/${copy}`);
  assert.deepEqual(after.config, { ...before.config, "user.role": "source" });
  // With the source's address it could not start.
  await world.setState(copy, "start");
  await world.daemon.lxc(["delete", "--force", NAME, copy]);
});

Deno.test("lists: of virtual machines, of no such type, of names with spaces", async () => {
  await world.create(NAME);
  const listed = (query: string) => world.api.get(`/1.0/instances?${query}`);

  assert.deepEqual(await listed("instance-type=container"), [AT]);
  assert.deepEqual(await listed("instance-type=virtual-machine"), []);
  assert.equal((await world.api.ask("GET", "/1.0/instances?instance-type=vm")).status, 400);
  await world.api.ask("POST", "/1.0/profiles", { name: "a b" });
  const [url] = await world.api.get("/1.0/profiles");
  assert.equal(url, "/1.0/profiles/a%20b");
  assert.equal((await world.api.get(url)).name, "a b");

  const words = [OURS.lxc, "list", "--all-projects", "--project", "default"];
  const { status, stderr } = await run(words, { env: world.daemon.env });
  assert.equal(status, 1);
  assert.match(stderr, /Can't specify --project with --all-projects/);
});

Deno.test("profile edit: a null is no value", async () => {
  const profile = `null${Deno.pid}`;
  await world.api.ask("POST", "/1.0/profiles", { name: profile });
  const stdin =
    "config:\n  user.a: ~\n  user.b: null\n  user.c: 'null'\n  user.d: x\ndevices: null\n";

  await world.daemon.lxc(["profile", "edit", profile], { stdin });

  const { config } = await world.api.get(`/1.0/profiles/${profile}`);
  assert.deepEqual(config, { "user.c": "null", "user.d": "x" });
});

Deno.test("logs: one that never ran has an empty log, no other", async () => {
  const name = `${NAME}l`;
  await world.create(name);

  const log = await world.api.ask("GET", `/1.0/instances/${name}/logs/lxc.log`);
  const shown = await world.daemon.lxc(["info", "--show-log", name]);
  const conf = await world.api.fails("GET", `/1.0/instances/${name}/logs/lxc.conf`);

  assert.deepEqual([log.status, log.text], [200, ""]);
  assert.match(shown, /\nLog:\n/);
  assert.equal(conf[0], 404);
  await world.api.do("DELETE", `/1.0/instances/${name}`);
});
