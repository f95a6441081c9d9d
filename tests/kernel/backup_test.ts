/** Backups of the real daemon: archives of instances and custom volumes, fetched and imported again. */
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import { archive, member } from "#tests/fakes/tar.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";

let world: InstanceDaemon;
const NAME = `backup${Deno.pid}`;
const AT = `/1.0/instances/${NAME}`;
const VOLUME = "/1.0/storage-pools/default/volumes/custom/data";

Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 13 });
  await world.create(NAME, { config: { "user.mark": "kept" } });
  await Deno.writeTextFile(`${root(NAME)}/etc/when`, "first\n");
  await world.api.do("POST", `${AT}/snapshots`, { name: "snap0" });
  await Deno.writeTextFile(`${root(NAME)}/etc/when`, "second\n");
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** As the daemon sees it: its mounts are its own. */
const root = (name: string, snapshot?: string) => {
  const state = `/proc/${world.daemon.pid}/root${world.daemon.directory}/storage-pools/default`;
  return snapshot === undefined
    ? `${state}/containers/${name}/rootfs`
    : `${state}/containers-snapshots/${name}/${snapshot}/rootfs`;
};
const when = (name: string, snapshot?: string) =>
  Deno.readTextFile(`${root(name, snapshot)}/etc/when`);
const leftovers = async () =>
  (await must(["find", `${world.daemon.directory}/backups`, "-mindepth", "2"])).trim();

async function fetchBackup(url: string, file: string): Promise<void> {
  const socket = `${world.daemon.directory}/unix.socket`;
  await must(["curl", "-sf", "--unix-socket", socket, "-o", file, `http://x${url}/export`]);
}

const send = async (path: string, bytes: Uint8Array<ArrayBuffer>, headers = {}) =>
  await world.api.do("POST", path, undefined, { raw: bytes, headers });

async function refused(bytes: Uint8Array<ArrayBuffer>, headers = {}): Promise<[number, string]> {
  const answer = await world.api.ask("POST", "/1.0/instances", undefined, { raw: bytes, headers });
  if (answer.status !== 202) return [answer.status, answer.body.error];
  const ended = await world.api.get(`${answer.body.operation}/wait?timeout=60`);
  return [ended.status_code, ended.err];
}

Deno.test("backup: an instance with snapshots goes out and comes back under another name", async () => {
  const { api, daemon } = world;
  const file = `${daemon.folder}/b.tar`;

  await api.do("POST", `${AT}/backups`, { name: "", compression_algorithm: "none" });
  const shown = await api.get(`${AT}/backups/backup0`);
  await fetchBackup(`${AT}/backups/backup0`, file);
  await send("/1.0/instances", await Deno.readFile(file), {
    "x-lxd-name": `${NAME}b`,
    "x-lxd-pool": "default",
  });

  assert.deepEqual([shown.name, shown.instance_only, shown.optimized_storage], [
    "backup0",
    false,
    false,
  ]);
  const listing = (await must(["tar", "tf", file])).split("\n");
  assert.equal(listing[0], "backup/index.yaml");
  assert.ok(listing.includes("backup/snapshots/snap0/rootfs/etc/when"));
  assert.ok(!listing.some((name) => /overlay|layers\.json/.test(name)));
  const back = await api.get(`/1.0/instances/${NAME}b`);
  assert.equal(back.config["user.mark"], "kept");
  assert.notEqual(back.config["volatile.eth0.hwaddr"], undefined);
  assert.equal(await when(`${NAME}b`), "second\n");
  assert.equal(await when(`${NAME}b`, "snap0"), "first\n");
  await api.do("PUT", `/1.0/instances/${NAME}b`, { restore: "snap0" });
  assert.equal(await when(`${NAME}b`), "first\n");
  await world.setState(`${NAME}b`, "start");
  await world.setState(`${NAME}b`, "stop", { force: true });
  await api.do("DELETE", `/1.0/instances/${NAME}b`);
  await api.do("DELETE", `${AT}/backups/backup0`);
  assert.equal(await leftovers(), "");
});

Deno.test("backup: is packed as its project wants, else as the server does", async () => {
  const key = "backups.compression_algorithm";
  await world.api.do("PATCH", "/1.0/projects/default", { config: { [key]: "none" } });
  await world.api.do("POST", `${AT}/backups`, { name: "b1" });
  await world.api.do("PATCH", "/1.0/projects/default", { config: { [key]: "" } });
  await world.api.do("POST", `${AT}/backups`, { name: "b2" });
  const file = `${world.daemon.folder}/packed`;

  await fetchBackup(`${AT}/backups/b1`, file);
  assert.match(await must(["file", file]), /tar archive/);
  await fetchBackup(`${AT}/backups/b2`, file);
  assert.match(await must(["file", file]), /gzip compressed/);
  await Deno.remove(file);
  for (const name of ["b1", "b2"]) await world.api.do("DELETE", `${AT}/backups/${name}`);
});

Deno.test("backup: of a running instance, renamed with it", async () => {
  const { api } = world;
  await world.setState(NAME, "start");
  await api.do("POST", `${AT}/backups`, { name: "x", instance_only: true });
  await world.setState(NAME, "stop", { force: true });

  await api.do("POST", AT, { name: `${NAME}r` });
  await api.do("POST", `/1.0/instances/${NAME}r/backups/x`, { name: "y" });
  assert.deepEqual(await api.get(`/1.0/instances/${NAME}r/backups`), [
    `/1.0/instances/${NAME}r/backups/y`,
  ]);
  await api.do("POST", `/1.0/instances/${NAME}r`, { name: NAME });
  await api.do("DELETE", `${AT}/backups/y`);
  assert.equal(await leftovers(), "");
});

Deno.test("backup: archives that lie are refused and leave nothing", async () => {
  const { api, daemon } = world;
  const index = (more = "") =>
    `name: evil\nbackend: dir\npool: default\ntype: container\nconfig:\n  container:\n` +
    `    name: evil\n    architecture: x86_64\n    profiles: [default]\n${more}`;
  const entry = (name: string, body = "x") => member({ name, body });
  const before = await api.get("/1.0/instances");

  for (
    const [bytes, why] of [
      [archive([entry("hello")]), /no backup\/index\.yaml/],
      [archive([entry("backup/index.yaml", "name: ../x\n")]), /not a name/],
      [archive([entry("backup/index.yaml", "- 1\n")]), /not a map/],
      [archive([entry("backup/index.yaml", index()), entry("backup/container/../../x")]), /leaves/],
      [archive([entry("backup/index.yaml", index("snapshots: [a/b]\n"))]), /not a name/],
      [
        archive([entry("backup/index.yaml", index().replace("[default]", "[nope]"))]),
        /doesn't exist/,
      ],
    ] as const
  ) {
    const [status, error] = await refused(new Uint8Array(bytes));
    assert.ok(status >= 400 && status < 500, `${status} ${error}`);
    assert.match(error, why);
  }
  assert.match((await refused(new TextEncoder().encode("no tar at all")))[1], /invalid backup/);

  assert.deepEqual(await api.get("/1.0/instances"), before);
  assert.equal(await leftovers(), "");
  assert.deepEqual(
    [...Deno.readDirSync(`${daemon.directory}/storage-pools/default/containers`)].map(({ name }) =>
      name
    ),
    [NAME],
  );
  const [status, error] = await api.fails("POST", `${AT}/backups`, { compression_algorithm: "7z" });
  assert.match(error, /Compression tool not found/);
  assert.ok(status >= 400);
});

Deno.test("backup: a custom volume with snapshots goes out and comes back", async () => {
  const { api, daemon } = world;
  const data = `${daemon.directory}/storage-pools/default/custom/default_`;
  const at = VOLUME.replace("/data", "");
  await api.do("POST", at, { name: "data", config: { "user.x": "1" } });
  await Deno.writeTextFile(`${data}data/f`, "old");
  await api.do("POST", `${VOLUME}/snapshots`, { name: "s0" });
  await Deno.writeTextFile(`${data}data/f`, "new");
  const file = `${daemon.folder}/v.tar.gz`;

  await api.do("POST", `${VOLUME}/backups`, { name: "b" });
  await fetchBackup(`${VOLUME}/backups/b`, file);
  await send(at, await Deno.readFile(file), { "x-lxd-name": "back" });

  assert.equal(await Deno.readTextFile(`${data}back/f`), "new");
  const snapshots = data.replace("/custom/", "/custom-snapshots/");
  assert.equal(await Deno.readTextFile(`${snapshots}back/s0/f`), "old");
  assert.equal((await api.get(`${at}/back`)).config["user.x"], "1");
  for (const name of ["data", "back"]) await api.do("DELETE", `${at}/${name}`);
  assert.equal(await leftovers(), "");
});

Deno.test("backup: a restore keeps an instance in the pool into which it was imported", async () => {
  const { api, daemon } = world;
  const file = `${daemon.folder}/other.tar`;
  const name = `${NAME}other`;
  await api.do("POST", "/1.0/storage-pools", { name: "other", driver: "dir" });
  await api.do("POST", `${AT}/backups`, { name: "other", compression_algorithm: "none" });
  await fetchBackup(`${AT}/backups/other`, file);
  await send("/1.0/instances", await Deno.readFile(file), {
    "x-lxd-name": name,
    "x-lxd-pool": "other",
  });

  await api.do("PUT", `/1.0/instances/${name}`, { restore: "snap0" });

  const { devices } = await api.get(`/1.0/instances/${name}`);
  assert.equal(devices.root.pool, "other");
  assert.equal(
    (await api.ask("GET", `/1.0/instances/${name}/files?path=/etc/when`)).text,
    "first\n",
  );
  await api.do("DELETE", `/1.0/instances/${name}`);
  await api.do("DELETE", "/1.0/storage-pools/other");
  await api.do("DELETE", `${AT}/backups/other`);
});
