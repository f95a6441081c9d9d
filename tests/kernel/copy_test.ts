/** Copies, refreshes and moves of instances on one server, over its API. */
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import assert from "node:assert/strict";

let world: InstanceDaemon;
const NAME = `copy${Deno.pid}`;
const AT = `/1.0/instances/${NAME}`;

Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 14 });
  await world.api.do("POST", "/1.0/storage-pools", { name: "other", driver: "dir" });
  await world.create(NAME, { config: { "user.mark": "1" } });
  await write(NAME, "first");
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** As the daemon sees it: its mounts are its own. */
const root = (name: string, snapshot = "", pool = "default") => {
  const folder = snapshot === "" ? "containers" : "containers-snapshots";
  const at = `${world.daemon.directory}/storage-pools/${pool}/${folder}/${name}/${snapshot}`;
  return `/proc/${world.daemon.pid}/root${at}/rootfs`;
};
const read = (name: string, snapshot = "", pool = "default") =>
  Deno.readTextFile(`${root(name, snapshot, pool)}/etc/when`);
const write = (name: string, text: string) => Deno.writeTextFile(`${root(name)}/etc/when`, text);
const copy = (name: string, source: object, more = {}) =>
  world.api.do("POST", "/1.0/instances", { name, ...more, source: { type: "copy", ...source } });
const remove = (name: string) => world.api.do("DELETE", `/1.0/instances/${name}`);
const snapshots = async (name: string) =>
  (await world.api.get(`/1.0/instances/${name}/snapshots`)).map((url: string) =>
    url.split("/").at(-1)
  );
const volume = (name: string, pool = "default") =>
  world.api.get(`/1.0/storage-pools/${pool}/volumes/container/${name}`);

Deno.test("copy: with snapshots to another pool, without, and of a snapshot", async () => {
  const { api } = world;
  await api.do("PATCH", `/1.0/storage-pools/default/volumes/container/${NAME}`, {
    config: { "user.v": "s0" },
  });
  await api.do("POST", `${AT}/snapshots`, { name: "s0" });
  await write(NAME, "second");

  const other = { devices: { root: { type: "disk", path: "/", pool: "other" } } };
  await copy(`${NAME}a`, { source: NAME }, other);
  await copy(`${NAME}b`, { source: NAME, instance_only: true });
  await copy(`${NAME}c`, { source: `${NAME}/s0` });

  assert.equal(await read(`${NAME}a`, "", "other"), "second");
  assert.equal(await read(`${NAME}a`, "s0", "other"), "first");
  assert.deepEqual((await volume(`${NAME}a`, "other")).config, { "user.v": "s0" });
  assert.deepEqual([await snapshots(`${NAME}a`), await snapshots(`${NAME}b`)], [["s0"], []]);
  assert.equal(await read(`${NAME}c`), "first");
  const { config } = await api.get(`/1.0/instances/${NAME}a`);
  assert.deepEqual([config["user.mark"], config["volatile.apply_template"]], ["1", "copy"]);
  for (const letter of "abc") await remove(`${NAME}${letter}`);
});

Deno.test("copy: a snapshot of one that runs says for how long it was frozen, where its changes are copied", async () => {
  const { api, daemon } = world;
  await copy(`${NAME}f`, { source: NAME });
  const snapshot = (name: string) => daemon.lxc(["snapshot", `${NAME}f`, name]);
  assert.equal(await snapshot("stopped"), "");
  await world.setState(`${NAME}f`, "start");
  await Deno.writeTextFile(`${root(`${NAME}f`)}/etc/when`, "running");

  const said = await snapshot("running");

  const frozenMs = Number(/^The instance was frozen for (\d+) ms$/m.exec(said)?.[1]);
  assert.ok(frozenMs > 0 && frozenMs < 20_000, said);
  assert.equal((await api.get(`/1.0/instances/${NAME}f`)).status, "Running");
  assert.equal(await read(`${NAME}f`, "running"), "running");
  await world.setState(`${NAME}f`, "stop", { force: true });
  await remove(`${NAME}f`);
});

Deno.test("copy: a refresh brings files and snapshots up to date, and refuses a running copy", async () => {
  const { api } = world;
  await copy(`${NAME}r`, { source: NAME });
  await api.do("POST", `/1.0/instances/${NAME}r/snapshots`, { name: "own" });
  await write(NAME, "third!");
  await api.do("POST", `${AT}/snapshots`, { name: "s1" });
  await write(NAME, "fourth");

  await copy(`${NAME}r`, { source: NAME, refresh: true, instance_only: true });
  assert.deepEqual(await snapshots(`${NAME}r`), ["s0", "own"]);
  assert.equal(await read(`${NAME}r`), "fourth");
  await copy(`${NAME}r`, { source: NAME, refresh: true });
  assert.deepEqual(await snapshots(`${NAME}r`), ["s0", "s1"]);
  assert.equal(await read(`${NAME}r`, "s1"), "third!");
  assert.equal(await read(`${NAME}r`), "fourth");

  await world.setState(`${NAME}r`, "start");
  const [status, error] = await api.fails("POST", "/1.0/instances", {
    name: `${NAME}r`,
    source: { type: "copy", source: NAME, refresh: true },
  });
  assert.equal(status, 400);
  assert.match(error, /Cannot refresh running instance/);
  await world.setState(`${NAME}r`, "stop", { force: true });
  await remove(`${NAME}r`);
});

Deno.test("copy: the source's whole configuration, which LXD's client sends after a refresh, leaves uuid and id maps", async () => {
  const { api } = world;
  await copy(`${NAME}w`, { source: NAME });
  const at = `/1.0/instances/${NAME}w`;
  const before = await api.get(at);
  const put = (change: object) => ({ ...before, config: { ...before.config, ...change } });
  const maps = { "volatile.idmap.base": "65536", "volatile.idmap.current": "[]" };

  const uuid = crypto.randomUUID();
  await api.do("PUT", at, put({ ...maps, "volatile.uuid": uuid, "user.mark": "2" }));

  assert.deepEqual((await api.get(at)).config, { ...before.config, "user.mark": "2" });
  const [status, error] = await api.fails("PUT", at, put(maps));
  assert.equal(status, 400);
  assert.match(error, /Volatile idmap keys can't be changed/);
  await remove(`${NAME}w`);
});

Deno.test("copy: a move to another pool keeps identity and snapshots, under its name or a new one", async () => {
  const { api } = world;
  await copy(`${NAME}m`, { source: NAME });
  const before = await api.get(`/1.0/instances/${NAME}m`);

  await api.do("POST", `/1.0/instances/${NAME}m`, { migration: true, pool: "other" });
  const after = await api.get(`/1.0/instances/${NAME}m`);
  assert.equal(after.config["volatile.uuid"], before.config["volatile.uuid"]);
  assert.equal(after.config["volatile.apply_template"], "copy");
  assert.equal(after.created_at, before.created_at);
  assert.equal(await read(`${NAME}m`, "", "other"), "fourth");
  assert.deepEqual(await snapshots(`${NAME}m`), ["s0", "s1"]);

  await api.do("POST", `/1.0/instances/${NAME}m`, {
    migration: true,
    name: `${NAME}n`,
    pool: "default",
    instance_only: true,
  });
  assert.equal((await api.fails("GET", `/1.0/instances/${NAME}m`))[0], 404);
  assert.deepEqual(await snapshots(`${NAME}n`), []);
  assert.equal(await read(`${NAME}n`), "fourth");
  assert.equal(
    (await api.fails("POST", `/1.0/instances/${NAME}n`, { migration: true, pool: "no" }))[0],
    404,
  );
  await remove(`${NAME}n`);
});

Deno.test("copy: a move to another project, and an interrupted copy leaves nothing", async () => {
  const { api } = world;
  await api.do("POST", "/1.0/projects", {
    name: "green",
    config: { "features.profiles": "false", "features.images": "false" },
  });
  await copy(`${NAME}p`, { source: NAME });

  await api.do("POST", `/1.0/instances/${NAME}p`, { migration: true, project: "green" });
  assert.equal((await api.fails("GET", `/1.0/instances/${NAME}p`))[0], 404);
  assert.equal((await api.get(`/1.0/instances/${NAME}p?project=green`)).project, "green");
  await api.do("DELETE", `/1.0/instances/${NAME}p?project=green`);
  await api.do("DELETE", "/1.0/projects/green");

  // The volume exists already, so that the copy fails after its row was made.
  const block = `${world.daemon.directory}/storage-pools/other/containers/${NAME}x`;
  await Deno.mkdir(block);
  const [status, error] = await api.fails("POST", "/1.0/instances", {
    name: `${NAME}x`,
    devices: { root: { type: "disk", path: "/", pool: "other" } },
    source: { type: "copy", source: NAME },
  });
  assert.match(`${status} ${error}`, /exists already/);
  assert.equal((await api.fails("GET", `/1.0/instances/${NAME}x`))[0], 404);
  await Deno.remove(block, { recursive: true }).catch(() => undefined);
});
