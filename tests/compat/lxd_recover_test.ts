/**
 * Pools of our daemon recovered by Debian's LXD and the other way round: instances and custom volumes with
 * their snapshots, on dir and on btrfs.
 */
import { must } from "#tests/world/run.ts";
import { isInstalled } from "./installed.ts";
import {
  bothWays,
  type Client,
  hasLxd,
  readOnPool,
  startTwoWithClient,
  type TwoServers,
  type Way,
  writeOnPool,
} from "./two_servers.ts";
import assert from "node:assert/strict";

const NAME = `rec${Deno.pid}`;
const ignore = !hasLxd || !await isInstalled("/usr/bin/btrfs", "btrfs-progs");

/** Clones of ours as LXD has them: no overlays. */
const DRIVERS = { dir: { "dir.clone": "copy" }, btrfs: {} } as const;

let folder: string;
let servers: TwoServers;
let client: Client;

Deno.test.beforeAll(async () => {
  if (ignore) return;
  folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-recover." });
  await Deno.chmod(folder, 0o711);
  for (const name of ["dir", "btrfs"]) await Deno.mkdir(`${folder}/${name}`);
  await must(["truncate", "--size=1G", `${folder}/disk.img`]);
  await must(["mkfs.btrfs", "-q", `${folder}/disk.img`]);
  // Before the daemons get mounts of their own.
  await must(["mount", "-o", "loop", `${folder}/disk.img`, `${folder}/btrfs`]);
  ({ servers, client } = await startTwoWithClient(NAME));
});
Deno.test.afterAll(async () => {
  if (ignore) return;
  await servers[Symbol.asyncDispose]();
  await must(["umount", `${folder}/btrfs`]);
  await Deno.remove(folder, { recursive: true });
});

/** An instance and a custom volume, each "new" with a snapshot that is "old". */
async function fillPool({ from, source }: Way, pool: string, name: string): Promise<void> {
  const { lxc } = client;
  const say = (path: string, when: string) => writeOnPool(source, `${pool}/${path}`, when);
  await lxc("init", `${from}:tiny`, `${from}:${name}`, "--storage", pool);
  await say(`containers/${name}/rootfs/etc/when`, "old");
  await lxc("snapshot", `${from}:${name}`, "s0");
  await say(`containers/${name}/rootfs/etc/when`, "new");
  await lxc("storage", "volume", "create", `${from}:${pool}`, "data");
  await say("custom/default_data/when", "old");
  await lxc("storage", "volume", "snapshot", `${from}:${pool}`, "data", "s0");
  await say("custom/default_data/when", "new");
}

async function testWay(way: Way, driver: keyof typeof DRIVERS): Promise<void> {
  const { from, to, source, target } = way;
  const pool = `${driver}${from}`;
  const name = `${NAME}${driver}${from}`;
  const path = `${folder}/${driver}/${from}`;
  await (driver === "btrfs" ? must(["btrfs", "subvolume", "create", path]) : Deno.mkdir(path));
  const own = from === "us" ? DRIVERS[driver] : {};
  const config = { source: path, ...own };
  await source.api.do("POST", "/1.0/storage-pools", { name: pool, driver, config });
  await fillPool(way, pool, name);

  const asked = { name: pool, driver, config: { source: path }, description: "" };
  const found = await target.api.do("POST", "/internal/recover/validate", { pools: [asked] });
  await target.api.do("POST", "/internal/recover/import", { pools: [asked] });

  const names = found.UnknownVolumes.map((one: { name: string }) => one.name).toSorted();
  assert.deepEqual(names, ["data", name]);
  const instance = await target.api.get(`/1.0/instances/${name}`);
  assert.equal(instance.config["volatile.base_image"]?.length, 64);
  const when = (place: string) => readOnPool(target, `${pool}/${place}`);
  assert.equal(await when(`containers/${name}/rootfs/etc/when`), "new");
  assert.equal(await when(`containers-snapshots/${name}/s0/rootfs/etc/when`), "old");
  assert.equal(await when("custom/default_data/when"), "new");
  const { lxc } = client;
  await lxc("restore", `${to}:${name}`, "s0");
  await lxc("storage", "volume", "restore", `${to}:${pool}`, "data", "s0");
  assert.equal(await when(`containers/${name}/rootfs/etc/when`), "old");
  assert.equal(await when("custom/default_data/when"), "old");
  await lxc("delete", `${to}:${name}`);
  await lxc("storage", "volume", "delete", `${to}:${pool}`, "data");
}

for (const driver of Object.keys(DRIVERS) as (keyof typeof DRIVERS)[]) {
  Deno.test({
    name: `recover: a ${driver} pool of each server is taken up by the other, with snapshots`,
    ignore,
    async fn() {
      for (const way of bothWays(servers)) await testWay(way, driver);
    },
  });
}
