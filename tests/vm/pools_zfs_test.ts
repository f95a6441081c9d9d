/** Pools and volumes of the driver `zfs` over the API, and what zfs(8) says of them. */
import { buildImage, type Server } from "#tests/compat/two_servers.ts";
import { apiOf } from "#tests/world/api.ts";
import { testUndone, worldWithoutPools } from "#tests/suites/pool_undo.ts";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { loopDevice } from "./loop.ts";
import { until } from "./debian_world.ts";
import { isMet } from "./needs.ts";
import { datasets, makeZpool, properties } from "./zfs.ts";

const MIB = 2 ** 20;
/** Zpools of the two pools, which are named as these are without their number. */
const [ONE, TWO] = [`one${Deno.pid}`, `two${Deno.pid}`] as const;
const POOLS = "/1.0/storage-pools";
const ONES = `${POOLS}/one/volumes/custom`;
const TWOS = `${POOLS}/two/volumes/custom`;

let server: Server;
const api = () => server.api;

Deno.test.beforeAll(async () => {
  if (!isMet("zfs")) return;
  const daemon = await TestDaemon.start(OURS);
  server = { daemon, api: apiOf(daemon) };
  for (const [name, zpool] of [["one", ONE], ["two", TWO]] as const) {
    const config = { "size": "1GiB", "zfs.pool_name": zpool };
    await api().do("POST", POOLS, { name, driver: "zfs", config });
  }
  await api().do("PUT", "/1.0/profiles/default", {
    config: {},
    devices: { root: { type: "disk", path: "/", pool: "one" } },
  });
  await buildImage(server);
});
Deno.test.afterAll(() => server.daemon[Symbol.asyncDispose]());

const below = async (pool: string, folder: string) =>
  (await datasets(pool)).map((name) => name.slice(pool.length + 1))
    .filter((name) => name.startsWith(`${folder}/`));

/** In the daemon's mounts. */
const inside = (path: string, script: string) =>
  must([
    ...["nsenter", "-t", `${server.daemon.pid}`, "-m", "--", "sh", "-ec"],
    ...[`cd "$0"; ${script}`, `${server.daemon.directory}/storage-pools/${path}`],
  ]);
const say = (path: string, text: string) => inside(path, `echo ${text} >said`);
const said = async (path: string) => (await inside(path, "cat said")).trim();

async function testSources(): Promise<void> {
  const { daemon } = server;
  const device = await loopDevice(daemon.folder, "device");
  const zpool = `dev${Deno.pid}`;
  const make = (name: string, config: object) => ({ name, driver: "zfs", config });
  await api().do("POST", POOLS, make("dev", { source: device, "zfs.pool_name": zpool }));
  const { config } = await api().get(`${POOLS}/dev`);
  assert.deepEqual(config, {
    source: zpool,
    "volatile.initial_source": device,
    "zfs.pool_name": zpool,
  });
  assert.deepEqual(await properties(zpool, "compression", "mountpoint"), ["on", "legacy"]);

  const refused: readonly (readonly [object, number, RegExp])[] = [
    [{ source: zpool }, 400, /isn't empty/],
    [{ "zfs.pool_name": zpool, size: "128MiB" }, 409, /A zpool already exists called/],
    [{ "zfs.pool_name": "a/b" }, 400, /can't point to a dataset/],
    [{ "zfs.pool_name": "-a" }, 400, /is no name of a zpool/],
    [{ source: "/no/such/disk" }, 400, /Custom loop file locations/],
    [{ source: `none${Deno.pid}` }, 503, /is not there/],
    [{ source: zpool, "zfs.pool_name": "other" }, 400, /must match zfs.pool_name/],
  ];
  for (const [one, status, message] of refused) {
    const [code, text] = await api().fails("POST", POOLS, make("bad", one));
    assert.match(text, message);
    assert.equal(code, status, text);
  }

  // A dataset that is not there is made; one that is must be empty.
  await api().do("POST", POOLS, make("part", { source: `${zpool}/part` }));
  assert.ok((await datasets(zpool)).includes(`${zpool}/part/containers`));
  const [, text] = await api().fails("DELETE", `${POOLS}/dev`);
  assert.match(text, /leftover datasets: .*part/);
  await api().do("DELETE", `${POOLS}/part`);
  assert.ok(!(await datasets(zpool)).some((name) => name.includes("part")));
  assert.ok((await datasets(zpool)).includes(`${zpool}/containers`));
  await api().do("DELETE", `${POOLS}/dev`);
  await assert.rejects(datasets(zpool), /no such pool|does not exist/);
}

async function testUndo(): Promise<void> {
  await using world = await worldWithoutPools();
  const [own, given] = [`own${Deno.pid}`, `given${Deno.pid}`] as const;
  const device = await loopDevice(world.paths.root, "undo");
  await makeZpool(world.paths.root, given);
  await must(["zfs", "set", "atime=on", "xattr=on", given]);
  // Zpools that are imported, those that could be, what is in them and was set of them.
  const known = () =>
    Promise.all([
      must(["zpool", "list", "-H", "-o", "name"]),
      must(["zpool", "import"]),
      must(["zfs", "list", "-H", "-r", "-t", "all", "-o", "name"]),
      must(["zfs", "get", "-H", "-s", "local", "-o", "name,property,value", "all"]),
    ]);
  const configs: readonly Readonly<Record<string, string>>[] = [
    { size: "256MiB", "zfs.pool_name": own },
    { source: device, "zfs.pool_name": own },
    { source: `${given}/part` },
    { source: given },
  ];
  for (const [index, config] of configs.entries()) {
    await testUndone(world, { name: `undo${index}`, driver: "zfs", config }, known);
  }
}

async function testGrowth(): Promise<void> {
  const bytes = async () => Number(await must(["zpool", "get", "-Hp", "-o", "value", "size", TWO]));
  const before = await bytes();
  await api().do("PATCH", `${POOLS}/two`, { config: { size: "2GiB" } });
  // The kernel does it in the background.
  await until(async () => await bytes() > 1.8 * before, `more than ${before} bytes`);
}

async function testLimits(): Promise<void> {
  const limits = (folder: string, name: string) =>
    properties(
      `${ONE}/${folder}/${name}`,
      ...["quota", "refquota", "reservation", "refreservation", "recordsize"],
    );
  const size = `${32 * MIB}`;
  const config = { "size": "32MiB", "zfs.blocksize": "64KiB" };
  await api().do("POST", ONES, { name: "limited", config });
  const own = () => limits("custom", "default_limited");
  assert.deepEqual(await own(), [size, "0", "0", "0", "65536"]);
  const set = (change: Record<string, string>) =>
    api().do("PATCH", `${ONES}/limited`, { config: change });
  await set({ "zfs.use_refquota": "true", "zfs.blocksize": "32KiB" });
  assert.deepEqual(await own(), ["0", size, "0", "0", "32768"]);
  await set({ "zfs.reserve_space": "true" });
  assert.deepEqual(await own(), ["0", size, "0", size, "32768"]);
  await set({ "zfs.use_refquota": "false" });
  assert.deepEqual(await own(), [size, "0", size, "0", "32768"]);
  await set({ size: "" });
  assert.deepEqual((await own()).slice(0, 4), ["0", "0", "0", "0"]);
  await api().do("DELETE", `${ONES}/limited`);

  // Of an instance: the size is of its device, what it means of its volume.
  await api().do("POST", "/1.0/instances", {
    name: "held",
    source: { type: "image", alias: "tiny" },
    devices: { root: { type: "disk", path: "/", pool: "one", size: "64MiB" } },
  });
  const volume = `${POOLS}/one/volumes/container/held`;
  assert.equal((await limits("containers", "held"))[0], `${64 * MIB}`);
  await api().do("PATCH", volume, { config: { "zfs.use_refquota": "true" } });
  assert.deepEqual((await limits("containers", "held")).slice(0, 2), ["0", `${64 * MIB}`]);
  await api().do("PATCH", "/1.0/instances/held", {
    devices: { root: { type: "disk", path: "/", pool: "one", size: "96MiB" } },
  });
  assert.deepEqual((await limits("containers", "held")).slice(0, 2), ["0", `${96 * MIB}`]);
  await api().do("DELETE", "/1.0/instances/held");
}

async function testLaterSnapshots(): Promise<void> {
  const shelf = `${ONES}/shelf`;
  await api().do("POST", ONES, { name: "shelf" });
  const names = async () => (await api().get(`${shelf}/snapshots`)).length;
  const fill = async () => {
    for (const name of ["s1", "s2"]) {
      await say("one/custom/default_shelf", name);
      await api().do("POST", `${shelf}/snapshots`, { name });
    }
  };
  await fill();
  const [status, text] = await api().fails("PUT", shelf, { restore: "s1" });
  assert.equal(status, 400);
  assert.match(text, /"s1" cannot be restored due to subsequent snapshot\(s\)/);
  assert.equal(await names(), 2);
  await api().do("PATCH", shelf, { config: { "zfs.remove_snapshots": "true" } });
  await api().do("PUT", shelf, { restore: "s1" });
  assert.equal(await names(), 1);
  assert.equal(await said("one/custom/default_shelf"), "s1");
  await api().do("DELETE", `${shelf}/snapshots/s1`);

  // The pool may say it for all.
  await fill();
  await api().do("PATCH", shelf, { config: { "zfs.remove_snapshots": "" } });
  await api().do("PATCH", `${POOLS}/one`, { config: { "volume.zfs.remove_snapshots": "true" } });
  await api().do("PUT", shelf, { restore: "s1" });
  assert.equal(await names(), 1);
  await api().do("PATCH", `${POOLS}/one`, { config: { "volume.zfs.remove_snapshots": "" } });
  await api().do("DELETE", shelf);
}

const DISK_BYTES = 32 * MIB;

async function testDisks(): Promise<void> {
  const dataset = `${ONE}/custom/default_disk`;
  const config = { "size": `${DISK_BYTES}`, "zfs.blocksize": "16KiB" };
  await api().do("POST", ONES, { name: "disk", content_type: "block", config });
  assert.deepEqual(await properties(dataset, "type", "volsize", "volblocksize"), [
    "volume",
    `${DISK_BYTES}`,
    "16384",
  ]);
  const change = (value: string) =>
    api().fails("PATCH", `${ONES}/disk`, { config: { "zfs.blocksize": value } });
  const [refused, why] = await change("32KiB");
  assert.equal(refused, 400);
  assert.match(why, /"zfs.blocksize" property cannot be changed/);
  const device = await deviceOf(dataset);
  const put = (text: string) => must(["dd", `of=${device}`, "conv=fsync"], { stdin: text });
  const get = async (path = device) =>
    await must(["dd", `if=${path}`, "bs=3", "count=1", "status=none"]);
  await put("old");
  await api().do("POST", `${ONES}/disk/snapshots`, { name: "s1" });
  await put("new");
  await api().do("POST", TWOS, {
    name: "disk",
    source: { type: "copy", pool: "one", name: "disk" },
  });
  assert.equal(await get(await deviceOf(`${TWO}/custom/default_disk`)), "new");
  assert.deepEqual(await below(TWO, "custom"), [
    "custom/default_disk",
    "custom/default_disk@snapshot-s1",
  ]);
  await api().do("PUT", `${ONES}/disk`, { restore: "s1", config: {} });
  assert.equal(await get(await deviceOf(dataset)), "old");
  await api().do("PATCH", `${ONES}/disk`, { config: { size: `${2 * DISK_BYTES}` } });
  assert.deepEqual(await properties(dataset, "volsize"), [`${2 * DISK_BYTES}`]);
  const [status] = await api().fails("PATCH", `${ONES}/disk`, { config: { size: "1MiB" } });
  assert.equal(status, 400);
  for (const at of [ONES, TWOS]) await api().do("DELETE", `${at}/disk`);
  assert.deepEqual([...await below(ONE, "custom"), ...await below(TWO, "custom")], []);
}

/** No udev runs that makes links. */
async function deviceOf(dataset: string): Promise<string> {
  for (const { name } of Deno.readDirSync("/sys/block")) {
    if (!/^zd\d+$/.test(name)) continue;
    const theirs = await must(["/lib/udev/zvol_id", `/dev/${name}`]).catch(() => "");
    if (theirs.trim() === dataset) return `/dev/${name}`;
  }
  throw new Error(`${dataset} has no device`);
}

async function testCopies(): Promise<void> {
  const copy = (at: string, name: string, source: object) =>
    api().do("POST", at, { name, source: { type: "copy", pool: "one", name: "a", ...source } });
  await api().do("POST", ONES, { name: "a" });
  await say("one/custom/default_a", "1");
  await api().do("POST", `${ONES}/a/snapshots`, { name: "s1" });
  await say("one/custom/default_a", "2");
  await copy(ONES, "b", { volume_only: true });
  const [origin = ""] = await properties(`${ONE}/custom/default_b`, "origin");
  assert.ok(origin.startsWith(`${ONE}/custom/default_a@copy-`), origin);
  await copy(TWOS, "c", {});
  assert.deepEqual(await properties(`${TWO}/custom/default_c`, "origin"), ["-"]);
  assert.equal(await said("two/custom/default_c"), "2");
  await say("one/custom/default_a", "3");
  await api().do("POST", `${ONES}/a/snapshots`, { name: "s2" });
  await copy(TWOS, "c", { refresh: true });
  assert.equal(await said("two/custom/default_c"), "3");
  assert.deepEqual(await api().get(`${TWOS}/c/snapshots`), [
    `${TWOS}/c/snapshots/s1`,
    `${TWOS}/c/snapshots/s2`,
  ]);

  // What a clone comes from waits out of sight until the clone goes.
  await api().do("DELETE", `${ONES}/a`);
  assert.equal(await said("one/custom/default_b"), "2");
  const buried = await below(ONE, "deleted/custom");
  assert.ok(buried.length > 0 && buried.every((name) => !name.includes("default_a")), `${buried}`);
  await api().do("POST", ONES, { name: "a" });
  await api().do("DELETE", `${ONES}/a`);
  await api().do("DELETE", `${ONES}/b`);
  await api().do("DELETE", `${TWOS}/c`);
  assert.deepEqual(await below(ONE, "deleted/custom"), []);
  assert.deepEqual([...await below(ONE, "custom"), ...await below(TWO, "custom")], []);
}

async function testBackups(): Promise<void> {
  const { daemon } = server;
  const mark = async (name: string, text: string) =>
    await inside(`one/containers/${name}`, `echo ${text} >rootfs/etc/mark`);
  await api().do("POST", "/1.0/instances", {
    name: "c1",
    source: { type: "image", alias: "tiny" },
  });
  await mark("c1", "1");
  await api().do("POST", "/1.0/instances/c1/snapshots", { name: "s1" });
  await mark("c1", "2");
  const file = `${daemon.folder}/c1.tar`;
  const export_ = ["--optimized-storage", "--compression", "none"];
  await daemon.lxc(["export", "c1", file, ...export_]);
  assert.match(await must(["tar", "-tf", file]), /^backup\/container\.bin$/m);
  await daemon.lxc(["import", file, "c2", "--storage", "two"]);
  assert.ok((await below(TWO, "containers")).includes("containers/c2@snapshot-s1"));
  assert.equal(await inside("two/containers/c2", "cat rootfs/etc/mark"), "2\n");
  await api().do("PUT", "/1.0/instances/c2", { restore: "s1" });
  assert.equal(await inside("two/containers/c2", "cat rootfs/etc/mark"), "1\n");

  // Between pools, with snapshots; and back to the pool with the image.
  await api().do("POST", "/1.0/instances", {
    name: "c3",
    source: { type: "copy", source: "c1" },
    devices: { root: { type: "disk", path: "/", pool: "two" } },
  });
  assert.ok((await below(TWO, "containers")).includes("containers/c3@snapshot-s1"));
  assert.equal(await inside("two/containers/c3", "cat rootfs/etc/mark"), "2\n");

  await api().do("POST", ONES, { name: "v" });
  await say("one/custom/default_v", "1");
  await api().do("POST", `${ONES}/v/snapshots`, { name: "s1" });
  const volume = `${daemon.folder}/v.tar`;
  await daemon.lxc(["storage", "volume", "export", "one", "v", volume, ...export_]);
  await daemon.lxc(["storage", "volume", "import", "two", volume, "w"]);
  assert.equal(await said("two/custom/default_w"), "1");
  assert.ok((await below(TWO, "custom")).includes("custom/default_w@snapshot-s1"));

  // The zpools were exported, and are imported again; volumes are mounted when they are used.
  await daemon.restart({});
  assert.ok((await below(TWO, "custom")).includes("custom/default_w"));
  for (const [name, mark] of [["c1", "2\n"], ["c2", "1\n"], ["c3", "2\n"]] as const) {
    const { text } = await api().ask("GET", `/1.0/instances/${name}/files?path=/etc/mark`);
    assert.equal(text, mark);
  }
  for (const name of ["c1", "c2", "c3"]) await api().do("DELETE", `/1.0/instances/${name}`);
  await api().do("DELETE", `${ONES}/v`);
  await api().do("DELETE", `${TWOS}/w`);
  assert.deepEqual([...await below(ONE, "containers"), ...await below(TWO, "containers")], []);
}

/** A disk goes into an archive by a file, or as streams; out of it to the other pool. */
async function testDiskBackups(): Promise<void> {
  const { daemon } = server;
  await api().do("POST", ONES, {
    name: "d",
    content_type: "block",
    config: { "size": `${DISK_BYTES}`, "zfs.blocksize": "16KiB" },
  });
  const put = async (text: string) =>
    await must(["dd", `of=${await deviceOf(`${ONE}/custom/default_d`)}`, "conv=fsync"], {
      stdin: text,
    });
  await put("one");
  await api().do("POST", `${ONES}/d/snapshots`, { name: "s1" });
  await put("two");
  const plain = ["backup/volume-snapshots/s1.img", "backup/volume.img"];
  const streams = ["backup/volume-snapshots/s1.bin", "backup/volume.bin"];
  for (const [options, wanted] of [[[], plain], [["--optimized-storage"], streams]] as const) {
    const file = `${daemon.folder}/disk.tar`;
    await daemon.lxc([
      ...["storage", "volume", "export", "one", "d", file, "--compression", "none"],
      ...options,
    ]);
    const members = (await must(["tar", "-tf", file])).split("\n");
    assert.deepEqual(members.filter((name) => /\.(img|bin)$/.test(name)), wanted);
    assert.ok((await Deno.stat(file)).size < DISK_BYTES / 2, "holes are kept");
    await daemon.lxc(["storage", "volume", "import", "two", file, "back"]);
    const back = `${TWO}/custom/default_back`;
    assert.deepEqual(await properties(back, "type", "volsize", "volblocksize"), [
      "volume",
      `${DISK_BYTES}`,
      "16384",
    ]);
    const get = async () =>
      await must(["dd", `if=${await deviceOf(back)}`, "bs=3", "count=1", "status=none"]);
    assert.equal(await get(), "two");
    await api().do("PUT", `${TWOS}/back`, { restore: "s1" });
    assert.equal(await get(), "one");
    await api().do("DELETE", `${TWOS}/back`);
    await Deno.remove(file);
  }
  await api().do("DELETE", `${ONES}/d`);
  assert.deepEqual([...await below(ONE, "custom"), ...await below(TWO, "custom")], []);
}

if (isMet("zfs")) {
  Deno.test("zfs pools: disks, zpools and datasets that may and may not become one", testSources);
  Deno.test("zfs pools: what became no pool is as it was", testUndo);
  Deno.test("zfs pools: a loop file grows", testGrowth);
  Deno.test("zfs pools: a limit with or without snapshots, reserved, blocks", testLimits);
  Deno.test("zfs pools: later snapshots go only if a key gives them up", testLaterSnapshots);
  Deno.test("zfs pools: disks", testDisks);
  Deno.test("zfs pools: copies by clone and by stream, and what they come from", testCopies);
  Deno.test("zfs pools: backups of disks", testDiskBackups);
  Deno.test("zfs pools: optimised backups, copies of instances, a restart", testBackups);
}
