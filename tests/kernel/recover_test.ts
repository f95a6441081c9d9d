/** lxd recover: the pool of a server that is gone, and a database that lost what still runs. */
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { type InstanceDaemon, setUp, startInstanceDaemon } from "#tests/world/instances.ts";
import { apiOf } from "#tests/world/api.ts";
import assert from "node:assert/strict";

const NAME = `recover${Deno.pid}`;
const AT = `/1.0/instances/${NAME}`;
const IN = "?project=lost";
const VOLUME = "/1.0/storage-pools/moved/volumes/custom";
const IMPORT = "/internal/recover/import";
const VALIDATE = "/internal/recover/validate";

let world: InstanceDaemon;
let source: string;
let moved: { name: string; driver: string; config: Record<string, string> };

Deno.test.beforeAll(async () => {
  source = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-recover." });
  await Deno.chmod(source, 0o711);
  moved = { name: "moved", driver: "dir", config: { source } };
  await fillPool();
  world = await startInstanceDaemon({ subnet: 21 });
});
Deno.test.afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await Deno.remove(source, { recursive: true });
});

const root = (daemon: TestDaemon, name: string, snapshot?: string) => {
  const pool = `/proc/${daemon.pid}/root${daemon.directory}/storage-pools/moved`;
  return snapshot === undefined
    ? `${pool}/containers/${name}/rootfs`
    : `${pool}/containers-snapshots/${name}/${snapshot}/rootfs`;
};

const findings = async () => await world.api.do("POST", VALIDATE, { pools: [moved] });

/** By the server that is gone: an overlay clone and a volume, each with a snapshot. */
async function fillPool(): Promise<void> {
  await using daemon = await TestDaemon.start(OURS);
  const api = apiOf(daemon);
  await setUp(api, 21);
  await api.do("POST", "/1.0/storage-pools", { ...moved, config: { source, "user.x": "kept" } });
  await api.do("POST", "/1.0/networks", { name: "testbr1", config: { "ipv6.address": "none" } });
  await api.do("POST", "/1.0/projects", { name: "lost", config: { "features.images": "false" } });
  await api.do("POST", `/1.0/profiles${IN}`, { name: "web", config: { "user.w": "1" } });
  await api.do("POST", `/1.0/instances${IN}`, {
    name: NAME,
    source: { type: "image", alias: "busybox" },
    profiles: ["web"],
    config: { "user.mark": "kept" },
    devices: {
      root: { type: "disk", path: "/", pool: "moved" },
      eth0: { type: "nic", network: "testbr1", name: "eth0" },
    },
  });
  await Deno.writeTextFile(`${root(daemon, `lost_${NAME}`)}/etc/when`, "first\n");
  await api.do("POST", `${AT}/snapshots${IN}`, { name: "snap0" });
  await Deno.writeTextFile(`${root(daemon, `lost_${NAME}`)}/etc/when`, "second\n");
  await api.do("POST", `${VOLUME}${IN}`, { name: "my_data" });
  await Deno.writeTextFile(`${source}/custom/lost_my_data/f`, "old");
  await api.do("POST", `${VOLUME}/my_data/snapshots${IN}`, { name: "s0" });
  await daemon.stop();
}

Deno.test("recover: what is no pool, or one already, is refused and left alone", async () => {
  const { api, daemon } = world;
  const empty = `${daemon.folder}/empty`;
  await Deno.mkdir(empty);
  const known = await api.get("/1.0/storage-pools/default");
  const other = (config: Record<string, string>, driver = "dir", name = "other") =>
    api.fails("POST", IMPORT, { pools: [{ name, driver, config }] });

  const refusals = [
    await other({ source: empty }),
    await other({ source: `${daemon.directory}/images` }),
    await other({ source: known.config.source }),
    await other({ source: "/nowhere" }),
    await other({ source }, "nope"),
    await other({ source }, "dir", "../x"),
    await other({ source, "no.such": "1" }),
  ];

  for (const [status, error] of refusals) assert.ok(status >= 400 && status !== 500, error);
  assert.match(refusals[0]?.[1] ?? "", /is no storage pool/);
  assert.match(refusals[2]?.[1] ?? "", /is the storage pool "default" already/);
  assert.deepEqual([...Deno.readDirSync(empty)], []);
  assert.deepEqual(await api.get("/1.0/storage-pools"), ["/1.0/storage-pools/default"]);
  const roots = [...Deno.readDirSync(`${daemon.directory}/storage-pools`)].map(({ name }) => name);
  assert.deepEqual(roots, ["default"]);
});

Deno.test("recover: says what is missing, then brings back a pool with all that it has", async () => {
  const { api, daemon } = world;
  const first = await findings();
  await api.do("POST", "/1.0/projects", { name: "lost", config: { "features.images": "false" } });
  const second = await findings();
  const refused = await api.fails("POST", IMPORT, { pools: [moved] });
  await api.do("POST", `/1.0/profiles${IN}`, { name: "web", config: { "user.w": "1" } });
  await api.do("POST", "/1.0/networks", {
    name: "testbr1",
    config: { "ipv4.address": "10.247.22.1/24", "ipv6.address": "none" },
  });

  const found = await findings();
  await api.do("POST", IMPORT, { pools: [moved] });

  assert.deepEqual(first.DependencyErrors, ['Project "lost"']);
  assert.deepEqual(second.DependencyErrors, [
    'Profile "web" in project "lost"',
    'Network "testbr1" in project "lost"',
  ]);
  assert.equal(refused[0], 400);
  assert.deepEqual(found, {
    UnknownVolumes: [
      { name: NAME, type: "container", snapshotCount: 1, project: "lost", pool: "moved" },
      { name: "my_data", type: "custom", snapshotCount: 1, project: "lost", pool: "moved" },
    ],
    DependencyErrors: null,
  });
  assert.deepEqual(await findings(), { UnknownVolumes: null, DependencyErrors: null });
  const pool = await api.get("/1.0/storage-pools/moved");
  assert.deepEqual([pool.config.source, pool.config["user.x"]], [source, "kept"]);
  const instance = await api.get(`${AT}${IN}`);
  assert.deepEqual([instance.config["user.mark"], instance.profiles], ["kept", ["web"]]);
  assert.deepEqual(await api.get(`${VOLUME}/my_data/snapshots${IN}`), [
    `${VOLUME}/my_data/snapshots/s0${IN}`,
  ]);
  const when = (snapshot?: string) =>
    Deno.readTextFile(`${root(daemon, `lost_${NAME}`, snapshot)}/etc/when`);
  assert.deepEqual([await when(), await when("snap0")], ["second\n", "first\n"]);
  await api.do("PUT", `${AT}${IN}`, { restore: "snap0" });
  assert.equal(await when(), "first\n");
});

Deno.test("recover: an instance that runs goes on", async () => {
  const { api } = world;
  const setState = (action: string) =>
    api.do("PUT", `${AT}/state${IN}`, { action, force: true, timeout: 10 });
  const pid = async () => (await api.get(`${AT}/state${IN}`)).pid;
  await setState("start");
  const before = await pid();
  const lose = (table: string) =>
    api.do("POST", "/internal/sql", {
      database: "global",
      query: `PRAGMA foreign_keys=ON; DELETE FROM ${table} WHERE name = '${NAME}'`,
    });
  await lose("instances");
  await lose("storage_volumes");
  assert.equal((await api.ask("GET", `${AT}${IN}`)).status, 404);

  await api.do("POST", IMPORT, { pools: [moved] });

  assert.ok(before > 0);
  assert.equal(await pid(), before);
  const exec = { command: ["cat", "/etc/when"], "record-output": true };
  const ran = await api.do("POST", `${AT}/exec${IN}`, exec);
  assert.equal(ran.return, 0);
  await setState("stop");
  assert.deepEqual((await api.get(`${AT}/snapshots${IN}`)).length, 1);
  await api.do("DELETE", `${AT}${IN}`);
  await api.do("DELETE", `${VOLUME}/my_data${IN}`);
  assert.deepEqual([...Deno.readDirSync(`${source}/containers`)], []);
});

Deno.test("recover: a tree without a description, or with one that lies, changes nothing", async () => {
  const { api } = world;
  const folder = `${source}/containers/lost_ghost`;
  await Deno.mkdir(`${folder}/rootfs`, { recursive: true });
  const refusal = () => api.fails("POST", IMPORT, { pools: [moved] });

  const bare = await refusal();
  await Deno.writeTextFile(`${folder}/backup.yaml`, "container:\n  name: other\n");
  const lying = await refusal();
  await Deno.writeTextFile(`${folder}/backup.yaml`, ": [");
  const broken = await refusal();
  await Deno.remove(folder, { recursive: true });

  assert.match(bare[1], /there is no .*backup\.yaml/);
  assert.match(lying[1], /its backup\.yaml is of instance "other"/);
  assert.deepEqual([bare[0], lying[0], broken[0]], [400, 400, 400]);
  assert.deepEqual(await api.get(`/1.0/instances${IN}`), []);
});
