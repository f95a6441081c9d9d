/** As crash_create_test.ts: the daemon is killed while instances and volumes go to another pool. */
import assert from "node:assert/strict";
import { must } from "#tests/world/run.ts";
import { CrashedInstance, killAtEach } from "./crash_support.ts";

const MANY = { thinned: 4 };

let one: CrashedInstance;
const POOLS = ["default", "other"] as const;
const COPY = "crashcopy";
const AT = `/1.0/instances/${COPY}`;
const SOURCES = "/1.0/storage-pools/default/volumes/custom";
const TARGETS = "/1.0/storage-pools/other/volumes/custom";
const onOther = { root: { type: "disk", path: "/", pool: "other" } };

Deno.test.beforeAll(async () => {
  one = await CrashedInstance.open(19);
  const { api } = one.world;
  await api.do("POST", "/1.0/storage-pools", { name: "other", driver: "dir" });
  await one.create();
  await api.do("POST", `${one.at}/snapshots`, { name: "s" });
  await Deno.writeTextFile(fileOf("default", one.name), "now");
});
Deno.test.afterAll(async () => {
  await (one as CrashedInstance | undefined)?.world[Symbol.asyncDispose]();
});

const fileOf = (pool: string, name: string) =>
  one.world.seen(`storage-pools/${pool}/containers/${name}/rootfs/etc/mark`);

async function entriesOf(folder: string): Promise<string[]> {
  const all = await Array.fromAsync(Deno.readDir(`${one.world.directory}/${folder}`))
    .catch(() => []);
  return all.map(({ name }) => name).toSorted();
}

interface Shown {
  readonly name: string;
  readonly expanded_devices: { readonly root: { readonly pool: string } };
  readonly snapshots: readonly { readonly name: string }[] | null;
}

const namesAt = async (volumes: string): Promise<string[]> =>
  (await one.world.api.get(`${volumes}?recursion=1`))
    .map(({ name }: { name: string }) => name).toSorted();

const rowsOf = (folder: string): Promise<Shown[]> =>
  one.world.api.get(`/1.0/${folder}?recursion=2`);

/** Instances and their snapshots are on disk where the server has them, and nothing else is. */
async function assertAgrees(): Promise<void> {
  const all = await rowsOf("instances");
  for (const pool of POOLS) {
    const known = all.filter((row) => row.expanded_devices.root.pool === pool);
    const names = known.map(({ name }) => name).toSorted();
    assert.deepEqual(await entriesOf(`storage-pools/${pool}/containers`), names, pool);
    const withSnapshots = known.filter(({ snapshots }) => (snapshots ?? []).length > 0);
    assert.deepEqual(
      await entriesOf(`storage-pools/${pool}/containers-snapshots`),
      withSnapshots.map(({ name }) => name).toSorted(),
      pool,
    );
    for (const { name, snapshots } of withSnapshots) {
      assert.deepEqual(
        await entriesOf(`storage-pools/${pool}/containers-snapshots/${name}`),
        (snapshots ?? []).map((snapshot) => snapshot.name).toSorted(),
      );
    }
    const paths = await namesAt(`/1.0/storage-pools/${pool}/volumes/container`);
    const expected = [
      ...names,
      ...withSnapshots.flatMap(({ name, snapshots }) =>
        (snapshots ?? []).map((snapshot) => `${name}/${snapshot.name}`)
      ),
    ];
    assert.deepEqual(paths, expected.toSorted(), `rows of ${pool}`);
  }
  assert.deepEqual(await entriesOf("unfinished"), []);
}

async function removeCopy(): Promise<void> {
  await assertAgrees();
  const names = (await rowsOf("instances")).map(({ name }) => name);
  if (names.includes(COPY)) await one.world.api.do("DELETE", AT);
  assert.deepEqual((await rowsOf("instances")).map(({ name }) => name), [one.name]);
  await assertAgrees();
  assert.equal(await Deno.readTextFile(fileOf("default", one.name)), "now");
}

for (const pool of POOLS) {
  Deno.test(`crash: a copy with its snapshots to pool ${pool} is whole or gone`, async () => {
    const source = { type: "copy", source: one.name };
    const devices = { root: { type: "disk", path: "/", pool } };
    const copy = () => one.world.api.do("POST", "/1.0/instances", { name: COPY, source, devices });

    const effects = await killAtEach(one.world, copy, removeCopy, MANY);

    assert.ok(effects > 5, `${effects}`);
    await removeCopy();
  });
}

Deno.test("crash: an instance that moves to another pool is on one of both, whole", async () => {
  const move = (pool: string) =>
    one.world.api.do("POST", one.at, { name: one.name, migration: true, pool });
  const poolOf = async () => (await rowsOf("instances"))[0]?.expanded_devices.root.pool ?? "";

  const effects = await killAtEach(one.world, () => move("other"), async () => {
    await assertAgrees();
    assert.equal(await Deno.readTextFile(fileOf(await poolOf(), one.name)), "now");
    if (await poolOf() === "other") await move("default");
    await assertAgrees();
  }, MANY);

  assert.ok(effects > 5, `${effects}`);
  await move("default");
  await assertAgrees();
});

Deno.test("crash: a copy that is refreshed can be refreshed again", async () => {
  const { api } = one.world;
  const source = { type: "copy", source: one.name };
  await api.do("POST", "/1.0/instances", { name: COPY, source, devices: onOther });
  const refresh = async () => {
    await api.do("POST", `${one.at}/snapshots`, { name: "later" });
    await api.do("POST", "/1.0/instances", {
      name: COPY,
      source: { ...source, refresh: true },
      devices: onOther,
    });
  };

  const effects = await killAtEach(one.world, refresh, async () => {
    await assertAgrees();
    const known = await api.get(`${one.at}/snapshots`);
    if (known.length > 1) await api.do("DELETE", `${one.at}/snapshots/later`);
    await api.do("POST", "/1.0/instances", {
      name: COPY,
      source: { ...source, refresh: true },
      devices: onOther,
    });
    await assertAgrees();
    assert.deepEqual(await api.get(`${AT}/snapshots`), [`${AT}/snapshots/s`]);
    assert.equal(await Deno.readTextFile(fileOf("other", COPY)), "now");
  }, MANY);

  assert.ok(effects > 5, `${effects}`);
  await api.do("DELETE", `${one.at}/snapshots/later`);
  await removeCopy();
});

Deno.test("crash: an instance that is imported is whole or gone", async () => {
  const { api, folder, directory } = one.world;
  await api.do("POST", `${one.at}/backups`, { name: "b", compression_algorithm: "none" });
  const file = `${folder}/b.tar`;
  await must([
    ...["curl", "-sf", "--unix-socket", `${directory}/unix.socket`, "-o", file],
    `http://x${one.at}/backups/b/export`,
  ]);
  await api.do("DELETE", `${one.at}/backups/b`);
  const raw = await Deno.readFile(file);
  const headers = { "x-lxd-name": COPY, "x-lxd-pool": "other" };
  const bring = () => api.do("POST", "/1.0/instances", undefined, { raw, headers });

  const effects = await killAtEach(one.world, bring, async () => {
    await removeCopy();
    assert.deepEqual((await entriesOf("backups")).filter((name) => name.startsWith("import-")), []);
  }, MANY);

  assert.ok(effects > 5, `${effects}`);
  await removeCopy();
});

Deno.test("crash: a snapshot that is renamed or removed has one name, or is gone", async () => {
  const { api } = one.world;
  const at = `${one.at}/snapshots`;
  await killAtEach(one.world, () => api.do("POST", `${at}/s`, { name: "t" }), async () => {
    await assertAgrees();
    if ((await api.get(at))[0] === `${at}/t`) await api.do("POST", `${at}/t`, { name: "s" });
    assert.deepEqual(await api.get(at), [`${at}/s`]);
  });
  await api.do("POST", `${at}/t`, { name: "s" });

  await killAtEach(one.world, () => api.do("DELETE", `${at}/s`), async () => {
    await assertAgrees();
    if ((await api.get(at)).length === 0) await api.do("POST", at, { name: "s" });
  });
  await api.do("POST", at, { name: "s" });
  await assertAgrees();
});

Deno.test("crash: a volume that moves to another pool or is restored is not lost", async () => {
  const { api } = one.world;
  const file = (pool: string) => one.world.seen(`storage-pools/${pool}/custom/default_v/value`);
  await api.do("POST", SOURCES, { name: "v" });
  await Deno.writeTextFile(file("default"), "1");
  await api.do("POST", `${SOURCES}/v/snapshots`, { name: "s" });
  const move = (from: string, pool: string) => api.do("POST", `${from}/v`, { name: "v", pool });

  const effects = await killAtEach(one.world, () => move(SOURCES, "other"), async () => {
    const [before, after] = [await namesAt(SOURCES), await namesAt(TARGETS)];
    assert.deepEqual(await entriesOf("unfinished"), []);
    for (const [pool, rows] of [["default", before], ["other", after]] as const) {
      const onDisk = await entriesOf(`storage-pools/${pool}/custom`);
      assert.deepEqual(onDisk, rows.includes("v") ? ["default_v"] : [], pool);
      if (rows.includes("v")) assert.equal(await Deno.readTextFile(file(pool)), "1");
    }
    assert.ok(before.length + after.length > 0, "it is lost");
    if (before.length > 0 && after.length > 0) await api.do("DELETE", `${TARGETS}/v`);
    else if (after.length > 0) await move(TARGETS, "default");
  }, MANY);
  assert.ok(effects > 5, `${effects}`);
  await move(TARGETS, "default");

  const restore = async () => {
    await Deno.writeTextFile(file("default"), "2");
    await api.do("PUT", `${SOURCES}/v`, { restore: "s" });
  };
  await killAtEach(one.world, restore, async () => {
    assert.match(await Deno.readTextFile(file("default")), /^[12]$/);
    await api.do("PUT", `${SOURCES}/v`, { restore: "s" });
    assert.equal(await Deno.readTextFile(file("default")), "1");
  });
  await api.do("DELETE", `${SOURCES}/v`);
});
