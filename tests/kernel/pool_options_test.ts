/** What keys of pools and volumes do on the host: mounts, arguments of rsync, ids, images' volumes. */
import { startTwoDaemons, type TwoDaemons } from "#tests/world/two_daemons.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";

let two: TwoDaemons;
const NAME = `pooloptions${Deno.pid}`;
const POOLS = "/1.0/storage-pools";
const AT = `${POOLS}/default/volumes/custom`;

Deno.test.beforeAll(async () => void (two = await startTwoDaemons([67, 68])));
Deno.test.afterAll(() => two[Symbol.asyncDispose]());

/** Options of the mount of a pool, as the daemon has it. */
async function mountOptions(pool: string): Promise<readonly string[]> {
  const { daemon } = two.one;
  const table = await Deno.readTextFile(`/proc/${daemon.pid}/mounts`);
  const line = table.split("\n").map((one) => one.split(" "))
    .find(([, target]) => target === `${daemon.directory}/storage-pools/${pool}`);
  return line?.[3]?.split(",") ?? [];
}

Deno.test("pool: btrfs.mount_options hold after creation, a change and a restart of the daemon", async () => {
  const { api, daemon } = two.one;
  const has = async (...wanted: string[]) => {
    const options = await mountOptions("b");
    for (const one of wanted) assert.ok(options.includes(one), `${one}: ${options}`);
  };
  const config = { size: "400MiB", "btrfs.mount_options": "noatime,user_subvol_rm_allowed" };
  await api.do("POST", POOLS, { name: "b", driver: "btrfs", config });
  await has("noatime", "user_subvol_rm_allowed");

  await api.do("PATCH", `${POOLS}/b`, {
    config: { "btrfs.mount_options": "noatime,compress=zstd:5" },
  });
  await has("noatime", "compress=zstd:5");
  const [status, text] = await api.fails("PATCH", `${POOLS}/b`, {
    config: { "btrfs.mount_options": "compress=magic" },
  });
  assert.deepEqual([status, /compress=magic/.test(text)], [400, true], text);
  assert.equal(
    (await api.get(`${POOLS}/b`)).config["btrfs.mount_options"],
    "noatime,compress=zstd:5",
  );

  await daemon.restart({});
  await has("noatime", "compress=zstd:5");
  assert.ok(!(await mountOptions("b")).includes("user_subvol_rm_allowed"));
  await api.do("DELETE", `${POOLS}/b`);
});

Deno.test("pool: volatile.initial_source is what was given, and nothing is nothing", async () => {
  const { api, daemon } = two.one;
  const initial = async (driver: string, config: object) => {
    await api.do("POST", POOLS, { name: "s", driver, config });
    const { config: shown } = await api.get(`${POOLS}/s`);
    await api.do("DELETE", `${POOLS}/s`);
    return [shown["volatile.initial_source"], shown["source"]];
  };
  const folder = `${daemon.folder}/given`;
  await Deno.mkdir(folder);
  assert.deepEqual(await initial("dir", { source: folder }), [folder, folder]);
  assert.equal((await initial("dir", {}))[0], undefined);
  assert.equal((await initial("btrfs", { size: "400MiB" }))[0], undefined);

  const image = `${daemon.folder}/device.img`;
  await must(["truncate", "--size=400M", image]);
  const device = (await must(["losetup", "--find", "--show", image])).trim();
  try {
    const [given, source] = await initial("btrfs", { source: device });
    assert.equal(given, device);
    assert.match(source, /^[0-9a-f]{8}-/, "the UUID of the file system");
  } finally {
    await must(["losetup", "--detach", device]);
  }
});

Deno.test("pool: rsync gets rsync.bwlimit and rsync.compression in migrations of instances and volumes", async () => {
  const { one, other } = two;
  const bin = `${one.daemon.folder}/bin`;
  await Deno.mkdir(bin);
  await Deno.writeTextFile(
    `${bin}/rsync`,
    `#!/bin/sh\necho "$*" >>"$0.log"\nexec /usr/bin/rsync "$@"\n`,
    { mode: 0o755 },
  );
  for (const { daemon } of [one, other]) {
    await daemon.restart({ PATH: `${bin}:${Deno.env.get("PATH")}` });
  }
  await one.create(NAME);
  await one.api.do("POST", AT, { name: "data" });
  const calls = async (...args: string[]) => {
    await Deno.remove(`${bin}/rsync.log`).catch(() => undefined);
    await two.lxc(...args, "--mode=relay");
    const lines = (await Deno.readTextFile(`${bin}/rsync.log`)).trim().split("\n");
    const isServer = (line: string) => line.startsWith("--server");
    return { sent: lines.filter((one) => !isServer(one)), received: lines.filter(isServer) };
  };
  const kinds = [
    ["instance", ["copy", `one:${NAME}`, "other:"], `/1.0/instances/${NAME}`],
    [
      "volume",
      ["storage", "volume", "copy", "one:default/data", "other:default/data"],
      `${AT}/data`,
    ],
  ] as const;
  const settings = [
    [{ "rsync.bwlimit": "20MiB" }, /--compress .*--bwlimit=20MiB /],
    [
      { "rsync.bwlimit": "10240", "rsync.compression": "false" },
      /^(?!.*--compress).*--bwlimit=10240 /,
    ],
  ] as const;
  for (const [config, wanted] of settings) {
    await one.api.do("PATCH", `${POOLS}/default`, { config });
    for (const [what, args, url] of kinds) {
      const { sent, received } = await calls(...args);
      await other.api.do("DELETE", url);
      assert.ok(sent.length > 0 && received.length > 0, what);
      for (const line of sent) assert.match(line, wanted, what);
      const isCompressed = !Object.hasOwn(config, "rsync.compression");
      for (const line of received) assert.equal(line.includes("--compress"), isCompressed, line);
    }
  }
  for (
    const [config, text] of [
      [{ "rsync.bwlimit": "fast" }, /rsync.bwlimit/],
      [{ "rsync.compression": "maybe" }, /rsync.compression/],
    ] as const
  ) {
    const [status, message] = await one.api.fails("PATCH", `${POOLS}/default`, { config });
    assert.match(message, text);
    assert.equal(status, 400);
  }
  await one.api.do("DELETE", `/1.0/instances/${NAME}`);
  await one.api.do("DELETE", `${AT}/data`);
  await one.daemon.restart({});
});

Deno.test("volume: security.unmapped flushes the map, and ids on disk stay as they are", async () => {
  const { api, daemon, ...world } = two.one;
  const url = `${AT}/shared`;
  const path =
    `/proc/${daemon.pid}/root${daemon.directory}/storage-pools/default/custom/default_shared`;
  await api.do("POST", AT, { name: "shared" });
  const disk = { type: "disk", pool: "default", source: "shared", path: "/mnt" };
  const isolated = { "security.idmap.isolated": "true" };
  const owner = async () => (await Deno.stat(`${path}/file`)).uid ?? 0;
  const map = async () => (await api.get(url)).config["volatile.idmap.last"];
  for (const name of ["a", "b"]) {
    await world.create(`${NAME}${name}`, { config: isolated, devices: { disk } });
  }
  await world.setState(`${NAME}a`, "start");
  await daemon.lxc(["exec", `${NAME}a`, "--", "sh", "-c", "echo hello >/mnt/file"]);
  const first = await owner();
  assert.ok(first >= 65536, `${first}`);
  assert.ok(await map() !== undefined);
  const [, other] = await api.fails("PUT", `/1.0/instances/${NAME}b/state`, { action: "start" });
  assert.match(other, /Idmaps .* are not identical/);
  const unmapped = { config: { "security.unmapped": "true" } };
  assert.equal((await api.fails("PATCH", url, unmapped))[0], 400, "not while it is used");

  await world.setState(`${NAME}a`, "stop", { force: true });
  await api.do("PATCH", url, unmapped);
  assert.equal(await map(), undefined);
  for (const name of ["a", "b"]) await world.setState(`${NAME}${name}`, "start");

  assert.equal(await owner(), first, "the first one's ids");
  await daemon.lxc(["exec", `${NAME}a`, "--", "sh", "-c", "echo again >/mnt/file"]);
  assert.equal(await daemon.lxc(["exec", `${NAME}b`, "--", "cat", "/mnt/file"]), "again\n");
  const seen = await daemon.lxc(["exec", `${NAME}b`, "--", "stat", "-c", "%u", "/mnt/file"]);
  assert.equal(seen, "65534\n", "a stranger's to the other");
  assert.equal(await map(), undefined);
  for (const config of [{ "security.shifted": "true" }, { "security.unmapped": "false" }]) {
    const [status, text] = await api.fails("PATCH", url, { config });
    assert.match(text, /mutually exclusive|running instances/);
    assert.equal(status, 400);
  }
  for (const name of ["a", "b"]) await world.setState(`${NAME}${name}`, "stop", { force: true });
  for (const name of ["a", "b"]) await api.do("DELETE", `/1.0/instances/${NAME}${name}`);
  await api.do("DELETE", url);
});

Deno.test("volume: one of an image is deleted from one pool, and comes back with the next launch", async () => {
  const { api, daemon, ...world } = two.one;
  const root = (pool: string) => ({ devices: { root: { type: "disk", pool, path: "/" } } });
  const images = (pool: string): Promise<string[]> => api.get(`${POOLS}/${pool}/volumes/image`);
  for (const name of ["i1", "i2"]) {
    await api.do("POST", POOLS, { name, driver: "btrfs", config: { size: "400MiB" } });
    await world.create(`${NAME}${name}`, root(name));
  }
  const [url = ""] = await images("i1");
  const fingerprint = url.split("/").at(-1) ?? "";
  assert.equal((await images("i2")).length, 1);

  await api.do("DELETE", url);

  assert.deepEqual(await images("i1"), []);
  assert.equal((await images("i2")).length, 1, "only from that pool");
  const below = `/proc/${daemon.pid}/root${daemon.directory}/storage-pools`;
  assert.deepEqual([...Deno.readDirSync(`${below}/i1/images`)], []);
  assert.equal((await api.get(`/1.0/images/${fingerprint}`)).fingerprint, fingerprint);
  assert.equal((await api.fails("DELETE", url))[0], 404);

  await world.create(`${NAME}again`, root("i1"));
  assert.deepEqual(await images("i1"), [url]);
  const said = await daemon.lxc(["storage", "volume", "delete", "i1", `image/${fingerprint}`]);
  assert.equal(said, `Storage volume image/${fingerprint} deleted\n`);
  assert.deepEqual(await images("i1"), []);
  const container = `${POOLS}/i1/volumes/container/${NAME}i1`;
  assert.equal((await api.fails("DELETE", container))[0], 400);
  for (const name of ["i1", "i2", "again"]) await api.do("DELETE", `/1.0/instances/${NAME}${name}`);
  for (const name of ["i1", "i2"]) await api.do("DELETE", `${POOLS}/${name}`);
});
