/**
 * Volume groups of our daemon and of Debian's LXD, each recovered by the other and by its own like: an
 * instance and a custom volume with their snapshots.
 */
import { OURS } from "#tests/world/daemon.ts";
import { must } from "#tests/world/run.ts";
import {
  buildImage,
  type Client,
  hasLxd,
  type Server,
  startTwoServers,
  trustedClient,
  type TwoServers,
} from "#tests/compat/two_servers.ts";
import assert from "node:assert/strict";
import { makeGroup } from "./lvm.ts";
import { isMet } from "./needs.ts";

const NAME = `rec${Deno.pid}`;
const isHere = isMet("lvm") && hasLxd;

let folder: string;
let servers: TwoServers;
let client: Client;

Deno.test.beforeAll(async () => {
  if (!isHere) return;
  folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-recover." });
  servers = await startTwoServers();
  await buildImage(servers.ours);
  client = await trustedClient(servers, OURS.lxc, NAME);
  await client.lxc("image", "copy", "us:tiny", "deb:", "--copy-aliases");
});
Deno.test.afterAll(async () => {
  if (!isHere) return;
  await servers[Symbol.asyncDispose]();
  await Deno.remove(folder, { recursive: true });
});

/** Whoever has the file system mounted shares it: the kernel has it once. */
async function inside(group: string, lv: string, script: string): Promise<string> {
  const device = `/dev/${group}/${lv}`;
  await must(["lvchange", "--activate", "y", "--ignoreactivationskip", `${group}/${lv}`]);
  const point = `${folder}/point`;
  await Deno.mkdir(point, { recursive: true });
  const options = lv.includes("-s0") ? ["-o", "ro,noload"] : [];
  await must(["mount", ...options, device, point]);
  try {
    return (await must(["sh", "-ec", `cd "$1"; ${script}`, "sh", point])).trim();
  } finally {
    await must(["umount", point]);
  }
}

const WHEN = { instance: "rootfs/etc/when", volume: "when" } as const;

/** An instance and a custom volume, each "new" with a snapshot that is "old". */
async function fillPool(remote: string, pool: string, name: string): Promise<void> {
  const { lxc } = client;
  await lxc("init", `${remote}:tiny`, `${remote}:${name}`, "--storage", pool);
  await inside(pool, `containers_${name}`, `echo old >${WHEN.instance}`);
  await lxc("snapshot", `${remote}:${name}`, "s0");
  await inside(pool, `containers_${name}`, `echo new >${WHEN.instance}`);
  await lxc("storage", "volume", "create", `${remote}:${pool}`, "data", "size=64MiB");
  await inside(pool, "custom_default_data", `echo old >${WHEN.volume}`);
  await lxc("storage", "volume", "snapshot", `${remote}:${pool}`, "data", "s0");
  await inside(pool, "custom_default_data", `echo new >${WHEN.volume}`);
}

/** Two servers never have a pool at once: what the first has mounted of it hinders the other. */
async function letGo({ daemon }: Server, pool: string): Promise<void> {
  const below = `${daemon.directory}/storage-pools/${pool}/`;
  const table = await Deno.readTextFile(`/proc/${daemon.pid}/mounts`);
  const targets = table.split("\n").map((line) => line.split(" ")[1] ?? "");
  for (const target of targets.filter((one) => one.startsWith(below)).toReversed()) {
    await must(["nsenter", "-t", `${daemon.pid}`, "-m", "--", "umount", target]);
  }
}

async function testWay(from: [string, Server], to: [string, Server]): Promise<void> {
  const [remote, source] = from;
  const [other, target] = to;
  const pool = `${remote}to${other}${Deno.pid}`;
  const name = `${NAME}${remote}${other}`;
  await makeGroup(folder, pool);
  const config = { source: pool, "lvm.vg_name": pool, "volume.size": "64MiB" };
  await source.api.do("POST", "/1.0/storage-pools", { name: pool, driver: "lvm", config });
  await fillPool(remote, pool, name);
  if (source === target) {
    for (const table of ["instances", "storage_volumes", "storage_pools"]) {
      const query = `PRAGMA foreign_keys=ON; DELETE FROM ${table} WHERE name IN ` +
        `('${name}', 'data', '${pool}')`;
      await source.api.do("POST", "/internal/sql", { database: "global", query });
    }
    await source.daemon.restart({});
  } else await letGo(source, pool);

  const given = target === servers.ours ? { source: pool } : config;
  const asked = { name: pool, driver: "lvm", config: given, description: "" };
  const found = await target.api.do("POST", "/internal/recover/validate", { pools: [asked] });
  await target.api.do("POST", "/internal/recover/import", { pools: [asked] });

  const names = found.UnknownVolumes.map((one: { name: string }) => one.name).toSorted();
  assert.deepEqual(names, ["data", name].toSorted());
  const when = async () => [
    await inside(pool, `containers_${name}`, `cat ${WHEN.instance}`),
    await inside(pool, "custom_default_data", `cat ${WHEN.volume}`),
  ];
  assert.deepEqual(await when(), ["new", "new"]);
  const { lxc } = client;
  await lxc("restore", `${other}:${name}`, "s0");
  await lxc("storage", "volume", "restore", `${other}:${pool}`, "data", "s0");
  assert.deepEqual(await when(), ["old", "old"]);
  await lxc("delete", `${other}:${name}`);
  await lxc("storage", "volume", "delete", `${other}:${pool}`, "data");
}

if (isHere) {
  const us = (): [string, Server] => ["us", servers.ours];
  const deb = (): [string, Server] => ["deb", servers.theirs];
  Deno.test("recover: a volume group of LXD is taken up by ours", () => testWay(deb(), us()));
  Deno.test("recover: a volume group of ours is taken up by LXD", () => testWay(us(), deb()));
  // The last: a restart gives it another network.
  Deno.test("recover: a volume group of ours is taken up by ours", () => testWay(us(), us()));
}
