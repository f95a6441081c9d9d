/** As crash_create_test.ts: the daemon is killed in front of every effect, now of custom volumes. */
import assert from "node:assert/strict";
import { CrashWorld } from "#tests/world/crash.ts";
import { must } from "#tests/world/run.ts";
import { killAtEach } from "./crash_support.ts";

let world: CrashWorld;
const AT = "/1.0/storage-pools/default/volumes/custom";

Deno.test.beforeAll(async () => {
  world = await CrashWorld.open();
  await world.api.do("POST", "/1.0/storage-pools", { name: "default", driver: "dir" });
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const filled = (name: string) =>
  Deno.writeTextFile(world.seen(`storage-pools/default/custom/default_${name}/value`), name);
const valueOf = (name: string) =>
  Deno.readTextFile(world.seen(`storage-pools/default/custom/default_${name}/value`));

async function entriesOf(folder: string): Promise<string[]> {
  const all = await Array.fromAsync(Deno.readDir(world.seen(folder))).catch(() => []);
  return all.map(({ name }) => name).toSorted();
}

/** What the server knows is what is on the disk, and nothing is noted any more. */
async function assertAgrees(): Promise<string[]> {
  const rows: { name: string }[] = await world.api.get(`${AT}?recursion=1`);
  const known = rows.map(({ name }) => name);
  const snapshots: string[] = [];
  for (const folder of await entriesOf("storage-pools/default/custom-snapshots")) {
    for (const name of await entriesOf(`storage-pools/default/custom-snapshots/${folder}`)) {
      snapshots.push(`${folder}/${name}`);
    }
  }
  const found = [...await entriesOf("storage-pools/default/custom"), ...snapshots];
  assert.deepEqual(found.map((name) => name.slice("default_".length)).toSorted(), known.toSorted());
  assert.deepEqual(await entriesOf("unfinished"), []);
  return known.filter((name) => !name.includes("/"));
}

async function removeAll(): Promise<void> {
  for (const name of await assertAgrees()) await world.api.do("DELETE", `${AT}/${name}`);
  assert.deepEqual(await assertAgrees(), []);
}

async function makeUsed(): Promise<void> {
  await world.api.do("POST", AT, { name: "a" });
  await filled("a");
  await world.api.do("POST", `${AT}/a/snapshots`, { name: "s" });
}

Deno.test("crash: a volume that is being made is whole or gone", async () => {
  const make = () => world.api.do("POST", AT, { name: "a" });

  const effects = await killAtEach(world, make, removeAll);

  assert.ok(effects > 3, `${effects}`);
  await removeAll();
});

Deno.test("crash: a copy with its snapshots is whole or gone, and its source unharmed", async () => {
  await makeUsed();
  const source = { type: "copy", name: "a", pool: "default" };
  const copy = () => world.api.do("POST", AT, { name: "b", source });

  const effects = await killAtEach(world, copy, async () => {
    const names = await assertAgrees();
    if (names.includes("b")) await world.api.do("DELETE", `${AT}/b`);
    assert.deepEqual(await assertAgrees(), ["a"]);
    assert.equal(await valueOf("a"), "a");
  });

  assert.ok(effects > 3, `${effects}`);
  await removeAll();
});

Deno.test("crash: a volume that is being imported is whole or gone", async () => {
  await makeUsed();
  await world.api.do("POST", `${AT}/a/backups`, { name: "k", compression_algorithm: "none" });
  const file = `${world.folder}/k.tar`;
  const socket = `${world.directory}/unix.socket`;
  await must([
    "curl",
    "-sf",
    "--unix-socket",
    socket,
    "-o",
    file,
    `http://x${AT}/a/backups/k/export`,
  ]);
  const raw = await Deno.readFile(file);
  await removeAll();
  const headers = { "x-lxd-name": "a" };
  const bring = () => world.api.do("POST", AT, undefined, { raw, headers });

  const effects = await killAtEach(world, bring, async () => {
    await removeAll();
    assert.deepEqual((await entriesOf("backups")).filter((name) => name.startsWith("import-")), []);
  });

  assert.ok(effects > 3, `${effects}`);
  await removeAll();
});

Deno.test("crash: snapshots that are being taken, renamed and removed are there for both or none", async () => {
  await makeUsed();
  const at = `${AT}/a/snapshots`;
  const names = async () => {
    await assertAgrees();
    return (await world.api.get(`${at}?recursion=1`)).map(({ name }: { name: string }) => name);
  };
  await killAtEach(world, () => world.api.do("POST", at, { name: "t" }), async () => {
    if ((await names()).includes("a/t")) await world.api.do("DELETE", `${at}/t`);
    assert.deepEqual(await names(), ["a/s"]);
  });
  await world.api.do("DELETE", `${at}/t`);

  await killAtEach(world, () => world.api.do("POST", `${at}/s`, { name: "u" }), async () => {
    if ((await names()).includes("a/u")) await world.api.do("POST", `${at}/u`, { name: "s" });
    assert.deepEqual(await names(), ["a/s"]);
  });
  await world.api.do("POST", `${at}/u`, { name: "s" });

  await killAtEach(world, () => world.api.do("DELETE", `${at}/s`), async () => {
    if ((await names()).length === 0) await world.api.do("POST", at, { name: "s" });
    assert.deepEqual(await names(), ["a/s"]);
  });
  await removeAll();
});

Deno.test("crash: a volume that is being renamed has one name, one being removed is there or gone", async () => {
  await makeUsed();
  await killAtEach(world, () => world.api.do("POST", `${AT}/a`, { name: "b" }), async () => {
    const [name] = await assertAgrees();
    if (name === "b") await world.api.do("POST", `${AT}/b`, { name: "a" });
    assert.deepEqual(await assertAgrees(), ["a"]);
    assert.equal(await valueOf("a"), "a");
  });
  await world.api.do("POST", `${AT}/b`, { name: "a" });

  const effects = await killAtEach(world, () => world.api.do("DELETE", `${AT}/a`), async () => {
    if ((await assertAgrees()).length === 0) await makeUsed();
    assert.equal(await valueOf("a"), "a");
  });

  assert.ok(effects > 3, `${effects}`);
  assert.deepEqual(await assertAgrees(), []);
});
