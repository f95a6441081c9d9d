/** Custom volumes where users and changes meet, and what the client's arguments must not mean. */
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import assert from "node:assert/strict";

let world: InstanceDaemon;
const NAME = `volumeuse${Deno.pid}`;
const AT = "/1.0/storage-pools/default/volumes/custom";
const OTHER = "/1.0/storage-pools/other/volumes/custom";
const WAIT_MS = 30_000;

Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 39 });
  await world.api.do("POST", "/1.0/storage-pools", { name: "other", driver: "dir" });
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const lxc = (...args: string[]) => world.daemon.lxc(args);
const refused = async (...args: string[]) => {
  const { status, stderr } = await world.daemon.try(args);
  assert.equal(status, 1, args.join(" "));
  return stderr;
};
const within = (work: Promise<unknown>) => {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = setTimeout(() => reject(new Error("it hangs")), WAIT_MS);
  return Promise.race([work, promise]).finally(() => clearTimeout(late));
};

Deno.test("volume: a refresh from itself is refused, and holds no lock", async () => {
  const { api } = world;
  await api.do("POST", AT, { name: "self" });

  const source = { type: "copy", name: "self", refresh: true };
  await within(assert.rejects(api.do("POST", AT, { name: "self", source }), /from itself/));

  await within(api.do("POST", `${AT}/self/snapshots`, { name: "s" }));
  await api.do("DELETE", `${AT}/self`);
});

Deno.test("volume: two refreshes of each other end", async () => {
  const { api } = world;
  for (const name of ["left", "right"]) await api.do("POST", AT, { name });
  const refresh = (name: string, from: string) =>
    api.do("POST", AT, { name, source: { type: "copy", name: from, refresh: true } });

  await within(Promise.all(
    Array.from({ length: 4 }, () => [refresh("left", "right"), refresh("right", "left")]).flat(),
  ));

  for (const name of ["left", "right"]) await api.do("DELETE", `${AT}/${name}`);
});

Deno.test("volume: an instance that starts during a move goes on with the moved one, or is refused", async () => {
  const { api, daemon } = world;
  await api.do("POST", AT, { name: "moving" });
  const folder = `${daemon.directory}/storage-pools/default/custom/default_moving`;
  await Deno.writeFile(`${folder}/large`, new Uint8Array(100 << 20));
  await world.create(NAME, {
    devices: { data: { type: "disk", pool: "default", source: "moving", path: "/mnt" } },
  });

  const moved = api.do("POST", `${AT}/moving`, { name: "moving", pool: "other" });
  await new Promise((resolve) => setTimeout(resolve, 20));
  const started = world.setState(NAME, "start");
  const [move] = await Promise.allSettled([moved, started]);
  if ((await api.get(`/1.0/instances/${NAME}`)).status !== "Running") {
    await world.setState(NAME, "start");
  }
  await lxc("exec", NAME, "--", "touch", "/mnt/written");
  await world.setState(NAME, "stop", { force: true });

  const pool = move.status === "fulfilled" ? "other" : "default";
  const kept = `${daemon.directory}/storage-pools/${pool}/custom/default_moving`;
  assert.ok((await Deno.stat(`${kept}/written`)).isFile);
  assert.equal((await Deno.stat(`${kept}/large`)).size, 100 << 20);
  assert.equal((await api.get(AT)).length + (await api.get(OTHER)).length, 1);
  await api.do("DELETE", `/1.0/instances/${NAME}`);
  await api.do("DELETE", `/1.0/storage-pools/${pool}/volumes/custom/moving`);
});

Deno.test("volume: an instance gets neither a disk nor a volume that is not there", async () => {
  const { api } = world;
  await api.do("POST", AT, { name: "disk", content_type: "block", config: { size: "4MiB" } });
  await world.create(NAME);
  const attach = (source: string) =>
    api.fails("PATCH", `/1.0/instances/${NAME}`, {
      devices: { data: { type: "disk", pool: "default", source, path: "/mnt" } },
    });

  const [disk, why] = await attach("disk");
  const [missing, whyMissing] = await attach("nothing");

  assert.deepEqual([disk, missing], [400, 400]);
  assert.match(why, /"data": Custom block volumes cannot be used on containers/);
  assert.match(whyMissing, /"data": Storage volume "nothing" not found on pool "default"/);
  assert.deepEqual((await api.get(`/1.0/instances/${NAME}`)).devices, {});
  await api.do("DELETE", `/1.0/instances/${NAME}`);
  await api.do("DELETE", `${AT}/disk`);
});

Deno.test("volume: its snapshots count as used by nobody, and use their pool", async () => {
  const { api } = world;
  await api.do("POST", AT, { name: "used" });
  await api.do("POST", `${AT}/used/snapshots`, { name: "s" });
  await world.create(NAME, {
    devices: { data: { type: "disk", pool: "default", source: "used", path: "/mnt" } },
  });

  assert.deepEqual(await api.fails("POST", `${AT}/used/snapshots/s`, { name: "" }), [
    400,
    "Invalid snapshot name: it is empty",
  ]);
  assert.equal((await api.fails("POST", `${AT}/used`, { name: "" }))[0], 400);
  const all: { name: string; used_by: string[] }[] = await api.get(`${AT}?recursion=1`);

  assert.deepEqual(all.map(({ name, used_by }) => [name, used_by]), [
    ["used", [`/1.0/instances/${NAME}`]],
    ["used/s", []],
  ]);
  await lxc("snapshot", NAME, "s");
  assert.deepEqual((await api.get("/1.0/storage-pools/default")).used_by, [
    `/1.0/instances/${NAME}`,
    `/1.0/instances/${NAME}/snapshots/s`,
    "/1.0/profiles/default",
    `${AT}/used`,
    `${AT}/used/snapshots/s`,
  ]);
  await api.do("DELETE", `/1.0/instances/${NAME}`);
  await api.do("DELETE", `${AT}/used`);
});

Deno.test("volume: one of an image is listed with the others, without a usage", async () => {
  const { api } = world;
  await api.do("POST", "/1.0/storage-pools", {
    name: "b",
    driver: "btrfs",
    config: { size: "400MiB" },
  });
  await world.create(NAME, { devices: { root: { type: "disk", pool: "b", path: "/" } } });
  const [image] = await api.get("/1.0/storage-pools/b/volumes/image");

  const list = await lxc("storage", "volume", "list", "b", "-f", "csv", "-c", "tU");

  assert.match(list, /^container,\d.*\nimage,\n$/);
  assert.equal((await api.fails("GET", `${image}/state`))[0], 400);
  await api.do("DELETE", `/1.0/instances/${NAME}`);
  await api.do("DELETE", "/1.0/storage-pools/b");
});

Deno.test("volume: a root without a size has that of its pool", async () => {
  const { api } = world;
  const root = (more = {}) => ({ root: { type: "disk", pool: "other", path: "/", ...more } });
  const totalOf = async (name: string) =>
    (await api.get(`/1.0/storage-pools/other/volumes/container/${name}/state`)).usage.total;
  await api.do("PATCH", "/1.0/storage-pools/other", { config: { "volume.size": "32MiB" } });

  await world.create(NAME, { devices: root() });
  await world.create(`${NAME}own`, { devices: root({ size: "48MiB" }) });
  await api.do("POST", "/1.0/instances", {
    name: `${NAME}copy`,
    source: { type: "copy", source: NAME },
    devices: root(),
  });

  assert.equal(await totalOf(NAME), 32 << 20);
  assert.equal(await totalOf(`${NAME}own`), 48 << 20);
  assert.equal(await totalOf(`${NAME}copy`), 32 << 20);
  for (const name of [NAME, `${NAME}own`, `${NAME}copy`]) {
    await api.do("DELETE", `/1.0/instances/${name}`);
  }
  await api.do("PATCH", "/1.0/storage-pools/other", { config: { "volume.size": "" } });
});

Deno.test("client: the name of a volume is not cut off at a slash", async () => {
  const { api } = world;
  const storage = (verb: string, ...args: string[]) => refused("storage", "volume", verb, ...args);
  await lxc("storage", "volume", "create", "default", "v");
  await lxc("storage", "volume", "snapshot", "default", "v", "s");

  assert.match(await storage("create", "default", "a/b"), /may not contain slashes/);
  assert.match(await storage("rename", "default", "v", "w/s"), /may not contain slashes/);
  assert.match(await storage("copy", "default/v", "default/w/s"), /may not contain slashes/);
  assert.match(await storage("delete", "default", "v/s/x"), /Invalid volume "v\/s\/x"/);
  assert.match(await storage("attach", "default", "v/s", NAME, "/mnt"), /is a snapshot/);
  assert.match(await storage("set", "default", "v/s", "user.a=1"), /Snapshots are read-only/);
  assert.match(await storage("restore", "default", "v/s", "s"), /is a snapshot/);
  const names = (await api.get(`${AT}?recursion=1`)).map(({ name }: { name: string }) => name);
  assert.deepEqual(names, ["v", "v/s"]);
  await lxc("storage", "volume", "delete", "default", "v");
});

Deno.test("client: a snapshot of an instance is not taken for one whose name goes on", async () => {
  const { api } = world;
  await world.create(NAME);
  await lxc("snapshot", NAME, "s");

  await refused("delete", `${NAME}/s/x`);
  await refused("copy", `${NAME}/s/x`, `${NAME}c`);
  assert.match(await refused("restore", NAME, "s", "--stateful"), /has no running state/);

  assert.deepEqual(await api.get(`/1.0/instances/${NAME}/snapshots`), [
    `/1.0/instances/${NAME}/snapshots/s`,
  ]);
  await api.do("DELETE", `/1.0/instances/${NAME}`);
});

Deno.test("volume: one that is made while its pool is deleted is refused, or keeps the pool", async () => {
  const { api, daemon } = world;
  for (let round = 0; round < 24; round++) {
    const pool = `brief${round}`;
    await api.do("POST", "/1.0/storage-pools", { name: pool, driver: "dir" });
    const volumes = `/1.0/storage-pools/${pool}/volumes/custom`;
    const later = async (ms: number, work: () => Promise<unknown>) => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return await work();
    };

    const [made, deleted] = await Promise.allSettled([
      later(round % 3, () => api.do("POST", volumes, { name: "v" })),
      later(round % 5, () => api.do("DELETE", `/1.0/storage-pools/${pool}`)),
    ]);

    if (made.status === "fulfilled") {
      assert.equal(deleted.status, "rejected");
      await Deno.stat(`${daemon.directory}/storage-pools/${pool}/custom/default_v`);
      await api.do("DELETE", `${volumes}/v`);
      await api.do("DELETE", `/1.0/storage-pools/${pool}`);
    } else {
      assert.equal(deleted.status, "fulfilled", String(made.reason));
    }
  }
});
