/** Pools and volumes of the driver `lvm` over the API, and what lvs(8) says of them. */
import { buildImage, type Server } from "#tests/compat/two_servers.ts";
import { apiOf } from "#tests/world/api.ts";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { loopDevice } from "./loop.ts";
import { isMet } from "./needs.ts";

const POOLS = "/1.0/storage-pools";
const VOLUMES = `${POOLS}/one/volumes/custom`;
/** Names of the volume group. */
const [OLD, NEW, OTHER] = [`old${Deno.pid}`, `new${Deno.pid}`, `other${Deno.pid}`] as const;

let server: Server;
const api = () => server.api;
const patch = (config: object) => api().do("PATCH", `${POOLS}/one`, { config });
const configOf = async () => (await api().get(`${POOLS}/one`)).config;
const refuses = async (config: object, status: number, text: RegExp) => {
  const [code, message] = await api().fails("PATCH", `${POOLS}/one`, { config });
  assert.match(message, text);
  assert.equal(code, status, message);
};

Deno.test.beforeAll(async () => {
  if (!isMet("lvm")) return;
  const daemon = await TestDaemon.start(OURS);
  server = { daemon, api: apiOf(daemon) };
  const config = { size: "2GiB", "lvm.vg_name": OLD, "volume.size": "64MiB" };
  await api().do("POST", POOLS, { name: "one", driver: "lvm", config });
  const root = { type: "disk", path: "/", pool: "one" };
  await api().do("PUT", "/1.0/profiles/default", { config: {}, devices: { root } });
  await buildImage(server);
});
Deno.test.afterAll(() => server.daemon[Symbol.asyncDispose]());

/** One column of a volume, without white space. */
const shown = async (column: string, volume: string, ...options: string[]) =>
  (await must(["lvs", "-a", "--noheadings", ...options, "--options", column, volume])).trim();
const bytesOf = async (volume: string) =>
  Number(await shown("lv_size", volume, "--units", "b", "--nosuffix"));

/** Type and options of the mount of a custom volume in the daemon. */
async function mountOf(volume: string): Promise<readonly string[]> {
  const { daemon } = server;
  const table = await Deno.readTextFile(`/proc/${daemon.pid}/mounts`);
  const path = `${daemon.directory}/storage-pools/one/custom/default_${volume}`;
  const [, , type = "", options = ""] =
    table.split("\n").map((line) => line.split(" ")).find(([, target]) => target === path) ?? [];
  return [type, ...options.split(",")];
}

async function testRenames(): Promise<void> {
  const source = { type: "image", alias: "tiny" };
  await api().do("POST", "/1.0/instances", { name: "c1", source, start: true });
  await refuses({ "lvm.vg_name": "a/b" }, 400, /is no name of a volume group/);
  await refuses({ "lvm.thinpool_name": "containers_c1" }, 409, /already exists called/);

  await patch({ "lvm.vg_name": NEW, "lvm.thinpool_name": "thin" });

  const config = await configOf();
  assert.deepEqual([config["lvm.vg_name"], config["lvm.thinpool_name"]], [NEW, "thin"]);
  assert.equal(await shown("pool_lv", `${NEW}/containers_c1`), "thin");
  assert.equal(await shown("vg_tags,lv_tags", `${NEW}/thin`), "lxd_pool");

  // It runs on, and grows under its new name.
  const devices = { root: { type: "disk", path: "/", pool: "one", size: "96MiB" } };
  await api().do("PATCH", "/1.0/instances/c1", { devices });
  assert.equal(await bytesOf(`${NEW}/containers_c1`), 96 * 2 ** 20);
  const blocks = await server.daemon.lxc(["exec", "c1", "--", "df", "-k", "/"]);
  assert.ok(Number(/\s(\d+)\s+\d+\s+\d+\s+\d+%/.exec(blocks)?.[1]) > 80_000, blocks);
  await api().do("PUT", "/1.0/instances/c1/state", { action: "stop", force: true });
  await api().do("POST", "/1.0/instances/c1/snapshots", { name: "s" });

  // Keys that a replacement lacks don't rename anything.
  await api().do("PUT", `${POOLS}/one`, { config: { "volume.size": "64MiB" } });
  assert.deepEqual([await configOf(), 1], [config, 1]);
}

/** As if the daemon had died after LVM renamed it, before that was written down. */
async function testHalfRenamed(): Promise<void> {
  const { daemon } = server;
  await daemon.stop();
  const loop = `${daemon.directory}/disks/one.img`;
  const device = (await must(["losetup", "--find", "--show", loop])).trim();
  await must(["vgchange", "--addtag", `lxd_renamed_from.${NEW}`, NEW]);
  await must(["vgrename", NEW, OTHER]);
  await must(["lvchange", "--addtag", "lxd_renamed_from.thin", `${OTHER}/thin`]);
  await must(["lvrename", OTHER, "thin", "fat"]);
  await must(["vgchange", "--activate", "n", OTHER]);
  await must(["losetup", "--detach", device]);

  await daemon.restart({});

  assert.equal(await shown("pool_lv", `${NEW}/containers_c1`), "thin");
  assert.equal(await shown("vg_tags,lv_tags", `${NEW}/thin`), "lxd_pool");
  await api().do("PUT", "/1.0/instances/c1/state", { action: "start" });
  await api().do("PUT", "/1.0/instances/c1/state", { action: "stop", force: true });
  await api().do("DELETE", "/1.0/instances/c1");
}

async function testMountOptions(): Promise<void> {
  const group = (await configOf())["lvm.vg_name"];
  await api().do("PATCH", "/1.0", { config: { "storage.lvm_vg_name": group } });
  await api().do("PATCH", "/1.0", { config: { "storage.lvm_mount_options": "noatime" } });
  assert.equal((await configOf())["volume.block.mount_options"], "noatime");
  await api().do("POST", VOLUMES, { name: "plain" });
  const config = {
    "block.filesystem": "btrfs",
    "block.mount_options": "compress=zstd:5",
    size: "320MiB",
  };
  await api().do("POST", VOLUMES, { name: "packed", config });

  const [type, ...options] = await mountOf("plain");
  assert.deepEqual([type, options.includes("noatime")], ["ext4", true], `${options}`);
  const [other, ...theirs] = await mountOf("packed");
  assert.deepEqual([other, theirs.includes("compress=zstd:5")], ["btrfs", true], `${theirs}`);

  // A btrfs grows and shrinks where it is mounted.
  for (const size of ["400MiB", "288MiB"]) {
    await api().do("PATCH", `${VOLUMES}/packed`, { config: { size } });
    assert.equal(await bytesOf(`${group}/custom_default_packed`), parseInt(size) * 2 ** 20);
  }
  const small = { config: { size: "128MiB" } };
  assert.match((await api().fails("PATCH", `${VOLUMES}/packed`, small))[1], /below 256MiB/);
  for (const name of ["plain", "packed"]) await api().do("DELETE", `${VOLUMES}/${name}`);
}

async function testStripes(): Promise<void> {
  const { daemon } = server;
  const group = `striped${Deno.pid}`;
  const devices = [await loopDevice(daemon.folder, "d1"), await loopDevice(daemon.folder, "d2")];
  for (const device of devices) await must(["pvcreate", "--yes", device]);
  const stripes = { "volume.lvm.stripes": "2", "volume.lvm.stripes.size": "16KiB" };
  const pool = (more: object) => ({
    name: "two",
    driver: "lvm",
    config: { source: group, "volume.size": "64MiB", ...stripes, ...more },
  });
  const volumes = `${POOLS}/two/volumes/custom`;

  await must(["vgcreate", group, ...devices]);
  await api().do("POST", POOLS, pool({ "lvm.thinpool_metadata_size": "12MiB" }));
  const thin = `${group}/LXDThinPool`;
  assert.equal(Number(await shown("lv_metadata_size", thin, "--units", "m", "--nosuffix")), 12);
  assert.match(await shown("stripes,stripe_size", `${thin}_tdata`), /^2 +16\.00k$/);
  await api().do("POST", volumes, { name: "v" });
  const ownStripes = { name: "x", config: { "lvm.stripes": "2" } };
  const [code, why] = await api().fails("POST", volumes, ownStripes);
  assert.match(why, /lvm.stripes cannot be used with thin pool volumes/);
  assert.equal(code, 400);
  const change = { config: { "volume.lvm.stripes": "1" } };
  const [status, text] = await api().fails("PATCH", `${POOLS}/two`, change);
  assert.match(text, /cannot be changed when using a thin pool/);
  assert.equal(status, 400);
  await api().do("DELETE", `${volumes}/v`);
  await api().do("DELETE", `${POOLS}/two`);

  await api().do("POST", POOLS, pool({ "lvm.use_thinpool": "false" }));
  await api().do("POST", volumes, { name: "v" });
  assert.match(await shown("stripes,stripe_size", `${group}/custom_default_v`), /^2 +16\.00k$/);
  const own = { "lvm.stripes": "1" };
  await api().do("POST", volumes, { name: "w", config: own });
  assert.equal(await shown("stripes", `${group}/custom_default_w`), "1");
  // A copy in a thin pool has none, though clients send them with it.
  const source = { type: "copy", name: "w", pool: "two" };
  await api().do("POST", VOLUMES, { name: "w", source, config: own });
  assert.deepEqual((await api().get(`${VOLUMES}/w`)).config, { size: "64MiB" });
  await api().do("DELETE", `${VOLUMES}/w`);
  for (const name of ["v", "w"]) await api().do("DELETE", `${volumes}/${name}`);

  // The source follows the name, and a group that was there before stays when the pool goes.
  const name = { "lvm.vg_name": OTHER };
  await api().do("PATCH", `${POOLS}/two`, { config: name });
  assert.equal((await api().get(`${POOLS}/two`)).config["source"], OTHER);
  await api().do("DELETE", `${POOLS}/two`);
  assert.equal(
    await must(["vgs", "--noheadings", "--options", "vg_tags", OTHER]).then((one) => one.trim()),
    "",
  );
  await must(["vgremove", "--yes", OTHER]);
}

if (isMet("lvm")) {
  Deno.test("lvm pools: group and thin pool are renamed, while a container runs", testRenames);
  Deno.test("lvm pools: a renaming that was cut off is undone at the next start", testHalfRenamed);
  Deno.test(
    "lvm pools: mount options of a pool, by the key of LXD 2.0, and of a volume",
    testMountOptions,
  );
  Deno.test(
    "lvm pools: stripes, metadata of the thin pool, a group that was there before",
    testStripes,
  );
}
