/**
 * Pools of our daemon and of Debian's LXD, each recovered by the other and by its own like: an instance
 * and a custom volume with their snapshots.
 */
import { must } from "#tests/world/run.ts";
import {
  type Client,
  hasLxd,
  type Server,
  startTwoWithClient,
  type TwoServers,
} from "#tests/compat/two_servers.ts";
import assert from "node:assert/strict";

const NAME = `rec${Deno.pid}`;

/** What a pool lies on that is there before a server has it. */
export interface Backing {
  readonly driver: string;
  /** In words. */
  readonly what: string;
  /** @param folder For its disk. */
  make(folder: string, name: string): Promise<void>;
  /** What LXD is told of it; ours finds that by itself. */
  config(name: string): Readonly<Record<string, string>>;
  /** Arguments of mount(8). Whoever has the file system mounted shares it: the kernel has it once. */
  mountArguments(pool: string, folder: Folder, name: string): Promise<string[]>;
}

/** Of a pool, and the file in it that says "old" or "new". */
const WHEN = { containers: "rootfs/etc/when", custom: "when" } as const;

type Folder = keyof typeof WHEN;

interface World {
  readonly backing: Backing;
  readonly folder: string;
  readonly servers: TwoServers;
  readonly client: Client;
}

type Place = readonly [Folder, string];

async function inside(
  { backing, folder }: World,
  pool: string,
  [part, name]: Place,
  script: string,
): Promise<string> {
  const point = `${folder}/point`;
  await Deno.mkdir(point, { recursive: true });
  await must(["mount", ...await backing.mountArguments(pool, part, name), point]);
  try {
    return (await must(["sh", "-ec", `cd "$1"; ${script}`, "sh", point])).trim();
  } finally {
    await must(["umount", point]);
  }
}

const DATA: Place = ["custom", "default_data"];

/** An instance and a custom volume, each "new" with a snapshot that is "old". */
async function fillPool(world: World, remote: string, pool: string, name: string): Promise<void> {
  const { lxc } = world.client;
  const say = (place: Place, when: string) =>
    inside(world, pool, place, `echo ${when} >${WHEN[place[0]]}`);
  await lxc("init", `${remote}:tiny`, `${remote}:${name}`, "--storage", pool);
  await say(["containers", name], "old");
  await lxc("snapshot", `${remote}:${name}`, "s0");
  await say(["containers", name], "new");
  await lxc("storage", "volume", "create", `${remote}:${pool}`, "data", "size=64MiB");
  await say(DATA, "old");
  await lxc("storage", "volume", "snapshot", `${remote}:${pool}`, "data", "s0");
  await say(DATA, "new");
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

async function testWay(
  world: World,
  [remote, source]: readonly [string, Server],
  [other, target]: readonly [string, Server],
): Promise<void> {
  const { backing: { driver, ...backing }, folder, servers, client } = world;
  const pool = `${remote}to${other}${Deno.pid}`;
  const name = `${NAME}${remote}${other}`;
  await backing.make(folder, pool);
  const config = backing.config(pool);
  await source.api.do("POST", "/1.0/storage-pools", { name: pool, driver, config });
  await fillPool(world, remote, pool, name);
  if (source === target) {
    for (const table of ["instances", "storage_volumes", "storage_pools"]) {
      const query = `PRAGMA foreign_keys=ON; DELETE FROM ${table} WHERE name IN ` +
        `('${name}', 'data', '${pool}')`;
      await source.api.do("POST", "/internal/sql", { database: "global", query });
    }
    await source.daemon.restart({});
  } else await letGo(source, pool);

  const given = target === servers.ours ? { source: pool } : config;
  const asked = { name: pool, driver, config: given, description: "" };
  const found = await target.api.do("POST", "/internal/recover/validate", { pools: [asked] });
  await target.api.do("POST", "/internal/recover/import", { pools: [asked] });

  const names = found.UnknownVolumes.map((one: { name: string }) => one.name).toSorted();
  assert.deepEqual(names, ["data", name].toSorted());
  const when = async () => [
    await inside(world, pool, ["containers", name], `cat ${WHEN.containers}`),
    await inside(world, pool, DATA, `cat ${WHEN.custom}`),
  ];
  assert.deepEqual(await when(), ["new", "new"]);
  const { lxc } = client;
  await lxc("restore", `${other}:${name}`, "s0");
  await lxc("storage", "volume", "restore", `${other}:${pool}`, "data", "s0");
  assert.deepEqual(await when(), ["old", "old"]);
  await lxc("delete", `${other}:${name}`);
  await lxc("storage", "volume", "delete", `${other}:${pool}`, "data");
}

/** Register the cases for one driver; they run where its kernel and Debian's LXD are. */
export function recoverSuite(backing: Backing): void {
  if (!hasLxd) return;
  let world: World;
  Deno.test.beforeAll(async () => {
    const folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-recover." });
    world = { backing, folder, ...await startTwoWithClient(NAME) };
  });
  Deno.test.afterAll(async () => {
    await world.servers[Symbol.asyncDispose]();
    await Deno.remove(world.folder, { recursive: true });
  });
  const { what } = backing;
  const us = () => ["us", world.servers.ours] as const;
  const deb = () => ["deb", world.servers.theirs] as const;
  Deno.test(`recover: ${what} of LXD is taken up by ours`, () => testWay(world, deb(), us()));
  Deno.test(`recover: ${what} of ours is taken up by LXD`, () => testWay(world, us(), deb()));
  // The last: a restart gives it another network.
  Deno.test(`recover: ${what} of ours is taken up by ours`, () => testWay(world, us(), us()));
}
