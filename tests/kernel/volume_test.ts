/** Custom volumes of the real daemon over its API: made, copied, refreshed, moved, snapshotted, shared. */
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import assert from "node:assert/strict";

let world: InstanceDaemon;
const NAME = `volume${Deno.pid}`;
const POOL = "/1.0/storage-pools/default";
const AT = `${POOL}/volumes/custom`;
const OTHER = "/1.0/storage-pools/other/volumes/custom";

Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 12 });
  await world.api.do("POST", "/1.0/storage-pools", { name: "other", driver: "dir" });
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const folder = (name: string, pool = "default") =>
  `${world.daemon.directory}/storage-pools/${pool}/custom/${name}`;
const make = (name: string, more = {}) => world.api.do("POST", AT, { name, ...more });
const names = async (at = AT) =>
  (await world.api.get(`${at}?recursion=1`)).map(({ name }: { name: string }) => name);

Deno.test("volume: made, shown, changed, renamed and deleted; names are taken once", async () => {
  const { api } = world;
  await make("data", { description: "d", config: { "user.a": "1" } });

  const shown = await api.get(`${AT}/data`);
  assert.deepEqual(
    [shown.type, shown.content_type, shown.description, shown.config, shown.used_by],
    ["custom", "filesystem", "d", { "user.a": "1" }, []],
  );
  assert.deepEqual(await api.fails("POST", AT, { name: "data" }), [
    409,
    'Volume "data" already exists',
  ]);
  await api.do("PATCH", `${AT}/data`, { config: { "user.b": "2" } });
  assert.deepEqual((await api.get(`${AT}/data`)).config, { "user.a": "1", "user.b": "2" });
  await api.do("POST", `${AT}/data`, { name: "data2" });
  assert.deepEqual(await names(), ["data2"]);
  await api.do("DELETE", `${AT}/data2`);
  assert.deepEqual(await names(), []);
  assert.equal((await api.fails("GET", `${AT}/data2`))[0], 404);
});

Deno.test("volume: snapshots keep data, description and expiry; a restore gives the data back", async () => {
  const { api } = world;
  await make("snaps", { config: { "snapshots.expiry": "1d", "user.x": "old" } });
  await Deno.writeTextFile(`${folder("default_snaps")}/file`, "old");
  await api.do("POST", `${AT}/snaps/snapshots`, { name: "" });
  await Deno.writeTextFile(`${folder("default_snaps")}/file`, "new");
  await api.do("PATCH", `${AT}/snaps`, { config: { "user.x": "new" } });
  await api.do("POST", `${AT}/snaps/snapshots`, { name: "two", expires_at: "" });

  const first = await api.get(`${AT}/snaps/snapshots/snap0`);
  assert.ok(Date.parse(first.expires_at) > Date.now() + 23 * 3600_000);
  assert.equal(first.config["user.x"], "old");
  assert.deepEqual(await names(), ["snaps", "snaps/snap0", "snaps/two"]);
  assert.deepEqual(await api.get(`${AT}/snaps/snapshots`), [
    `${AT}/snaps/snapshots/snap0`,
    `${AT}/snaps/snapshots/two`,
  ]);
  await api.do("PUT", `${AT}/snaps/snapshots/two`, { description: "second" });
  await api.do("POST", `${AT}/snaps/snapshots/two`, { name: "zwei" });
  assert.equal((await api.get(`${AT}/snaps/snapshots/zwei`)).description, "second");
  assert.equal((await api.fails("POST", `${AT}/snaps/snapshots`, { name: "zwei" }))[0], 409);

  await api.do("PUT", `${AT}/snaps`, { restore: "snap0" });
  assert.equal(await Deno.readTextFile(`${folder("default_snaps")}/file`), "old");
  assert.equal((await api.get(`${AT}/snaps`)).config["user.x"], "new", "as in LXD");
  await api.do("DELETE", `${AT}/snaps/snapshots/zwei`);
  assert.deepEqual(await names(), ["snaps", "snaps/snap0"]);
  await api.do("DELETE", `${AT}/snaps`);
});

Deno.test("volume: copies with and without snapshots, refreshes and moves between pools", async () => {
  const { api } = world;
  await make("src");
  await Deno.writeTextFile(`${folder("default_src")}/file`, "one");
  await api.do("POST", `${AT}/src/snapshots`, { name: "s0" });
  await Deno.writeTextFile(`${folder("default_src")}/file`, "two");
  const copy = (source: object, name: string) =>
    api.do("POST", OTHER, { name, source: { type: "copy", pool: "default", ...source } });

  await copy({ name: "src" }, "all");
  await copy({ name: "src", volume_only: true }, "bare");
  await copy({ name: "src/s0" }, "old");
  assert.deepEqual(await names(OTHER), ["all", "all/s0", "bare", "old"]);
  assert.equal(await Deno.readTextFile(`${folder("default_all", "other")}/file`), "two");
  assert.equal(await Deno.readTextFile(`${folder("default_old", "other")}/file`), "one");

  await Deno.writeTextFile(`${folder("default_src")}/file`, "three");
  await api.do("POST", `${AT}/src/snapshots`, { name: "s1" });
  await api.do("DELETE", `${AT}/src/snapshots/s0`);
  await copy({ name: "src", refresh: true }, "all");
  assert.deepEqual(await names(OTHER), ["all", "all/s1", "bare", "old"]);
  assert.equal(await Deno.readTextFile(`${folder("default_all", "other")}/file`), "three");

  await api.do("POST", `${AT}/src`, { name: "moved", pool: "other" });
  assert.deepEqual(await names(), []);
  assert.ok((await names(OTHER)).includes("moved/s1"));
  assert.deepEqual(
    await copy({ name: "nothing" }, "x").catch((error) => error.code),
    "ERR_ASSERTION",
  );
  for (const name of ["all", "bare", "old", "moved"]) await api.do("DELETE", `${OTHER}/${name}`);
});

Deno.test("volume: disks have a size, copies keep their bytes, and they can't shrink", async () => {
  const { api } = world;
  await make("disk", { content_type: "block", config: { size: "4MiB" } });
  const path = `${folder("default_disk")}/root.img`;
  {
    using file = await Deno.open(path, { write: true });
    await file.write(new TextEncoder().encode("bytes"));
  }

  await api.do("POST", OTHER, {
    name: "disk",
    source: { type: "copy", pool: "default", name: "disk" },
  });

  const copied = `${folder("default_disk", "other")}/root.img`;
  assert.equal((await Deno.stat(copied)).size, 4 << 20);
  assert.equal((await Deno.readTextFile(copied)).slice(0, 5), "bytes");
  assert.equal((await api.get(`${OTHER}/disk`)).content_type, "block");
  assert.equal((await api.get(`${AT}/disk/state`)).usage.total, 4 << 20);
  await api.do("PATCH", `${AT}/disk`, { config: { size: "8MiB" } });
  assert.equal((await Deno.stat(path)).size, 8 << 20);
  assert.equal((await api.fails("PATCH", `${AT}/disk`, { config: { size: "1MiB" } }))[0], 400);
  assert.equal((await api.get(`${AT}/disk`)).config.size, "8MiB");
  await api.do("DELETE", `${AT}/disk`);
  await api.do("DELETE", `${OTHER}/disk`);
});

Deno.test("volume: shared by two containers; not restored, renamed or deleted while in use", async () => {
  const { api, daemon } = world;
  await make("shared", { config: { "security.shifted": "true" } });
  await api.do("POST", `${AT}/shared/snapshots`, { name: "s" });
  const disk = { type: "disk", pool: "default", source: "shared", path: "/mnt" };
  for (const name of [`${NAME}a`, `${NAME}b`]) {
    await world.launch(name, {
      devices: { shared: disk },
      ...name.endsWith("b") && { config: { "security.idmap.isolated": "true" } },
    });
  }

  await daemon.lxc(["exec", `${NAME}a`, "--", "sh", "-c", "echo hi > /mnt/f"]);
  assert.equal(await daemon.lxc(["exec", `${NAME}b`, "--", "cat", "/mnt/f"]), "hi\n");
  assert.equal((await Deno.stat(`${folder("default_shared")}/f`)).uid, 0);
  assert.deepEqual((await api.get(`${AT}/shared`)).used_by, [
    `/1.0/instances/${NAME}a`,
    `/1.0/instances/${NAME}b`,
  ]);
  const [, restore] = await api.fails("PUT", `${AT}/shared`, { restore: "s" });
  assert.match(restore, /Cannot restore custom volume used by running instances/);
  assert.match((await api.fails("POST", `${AT}/shared`, { name: "x" }))[1], /running instances/);
  assert.match((await api.fails("DELETE", `${AT}/shared`))[1], /still in use/);

  for (const name of [`${NAME}a`, `${NAME}b`]) await world.setState(name, "stop", { force: true });
  await api.do("POST", `${AT}/shared`, { name: "renamed" });
  assert.equal((await api.get(`/1.0/instances/${NAME}a`)).devices.shared.source, "renamed");
  for (const name of [`${NAME}a`, `${NAME}b`]) await api.do("DELETE", `/1.0/instances/${name}`);
  await api.do("DELETE", `${AT}/renamed`);
});

Deno.test("volume: projects have their own, and one moves between them", async () => {
  const { api } = world;
  await api.do("POST", "/1.0/projects", {
    name: "blue",
    config: { "features.storage.volumes": "true", "features.profiles": "false" },
  });
  await make("both");
  await api.do("POST", `${AT}?project=blue`, { name: "both" });

  assert.deepEqual(await api.get(`${AT}?project=blue`), [`${AT}/both?project=blue`]);
  assert.equal((await api.get(`${AT}?all-projects=true`)).length, 2);
  assert.deepEqual(await api.get(`${AT}?filter=name%20eq%20nothing`), []);
  await api.do("POST", `${AT}/both`, { name: "moved", project: "blue" });
  assert.deepEqual(await names(), []);

  for (const name of ["both", "moved"]) await api.do("DELETE", `${AT}/${name}?project=blue`);
  await api.do("DELETE", "/1.0/projects/blue");
});

Deno.test("project: limits hold when many come at once; restrictions count for volumes", async () => {
  const { api } = world;
  await api.do("POST", "/1.0/projects", {
    name: "tight",
    config: {
      "features.images": "false",
      "features.profiles": "false",
      "limits.instances": "2",
      "limits.disk": "8MiB",
      "restricted": "true",
    },
  });
  const settled = async (requests: Promise<unknown>[]) =>
    (await Promise.allSettled(requests)).filter(({ status }) => status === "fulfilled").length;
  const five = ["1", "2", "3", "4", "5"];

  const volumes = await settled(
    five.map((name) =>
      api.do("POST", `${AT}?project=tight`, {
        name,
        content_type: "block",
        config: { size: "4MiB" },
      })
    ),
  );
  assert.equal(volumes, 2);
  const kept = (await api.get(`${AT}?project=tight&recursion=1`))
    .map(({ name }: { name: string }) => name);
  assert.equal(kept.length, 2);
  const [kind, refused] = await api.fails(
    "POST",
    `${AT}/${kept[0]}/snapshots?project=tight`,
    { name: "s" },
  );
  assert.equal(kind, 403);
  assert.match(refused, /doesn't allow for snapshots/);
  const [, backup] = await api.fails("POST", `${AT}/${kept[0]}/backups?project=tight`, {
    name: "b",
  });
  assert.match(backup, /doesn't allow for backups/);
  for (const name of kept) await api.do("DELETE", `${AT}/${name}?project=tight`);

  await api.do("PATCH", "/1.0/projects/tight", { config: { "limits.disk": "" } });
  const made = await settled(
    five.map((one) =>
      api.do("POST", "/1.0/instances?project=tight", {
        name: `${NAME}t${one}`,
        source: { type: "image", alias: "busybox" },
      })
    ),
  );
  assert.equal(made, 2);
  const instances: string[] = await api.get("/1.0/instances?project=tight");
  assert.equal(instances.length, 2);
  for (const url of instances) await api.do("DELETE", url);
  await api.do("DELETE", "/1.0/projects/tight");
});
