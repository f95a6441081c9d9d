/** Custom volumes go from one daemon of ours to another, through the client: neither needs a network. */
import { startTwoDaemons, type TwoDaemons } from "#tests/world/two_daemons.ts";
import assert from "node:assert/strict";

let two: TwoDaemons;
const AT = "/1.0/storage-pools/default/volumes/custom";
const RELAY = "--mode=relay";

Deno.test.beforeAll(async () => void (two = await startTwoDaemons([17, 18])));
Deno.test.afterAll(() => two[Symbol.asyncDispose]());

type Side = "one" | "other";

const onPool = (side: Side, path: string) =>
  `/proc/${two[side].daemon.pid}/root${two[side].daemon.directory}/storage-pools/default/${path}`;
const volume = (...args: string[]) => two.lxc("storage", "volume", ...args);
const isThere = (path: string) => Deno.lstat(path).then(() => true, () => false);
const rows = async (side: Side) =>
  (await two[side].api.get(`${AT}?recursion=1`)).map(({ name }: { name: string }) => name);

/** `count` bytes of a file or disk, from `at` on. */
async function bytes(path: string, at: number, count: number): Promise<string> {
  using file = await Deno.open(path);
  await file.seek(at, Deno.SeekMode.Start);
  const buffer = new Uint8Array(count);
  await file.read(buffer);
  return new TextDecoder().decode(buffer);
}

async function put(path: string, at: number, text: string): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.seek(at, Deno.SeekMode.Start);
  await file.write(new TextEncoder().encode(text));
}

Deno.test("volume migration: files and snapshots arrive, a refresh makes them equal, a move takes them away", async () => {
  const { one, other } = two;
  await one.api.do("POST", AT, { name: "data", description: "d", config: { "user.v": "0" } });
  const file = onPool("one", "custom/default_data/file");
  await Deno.writeTextFile(file, "first");
  await Deno.chmod(file, 0o640);
  await Deno.chown(file, 12, 34);
  await one.api.do("POST", `${AT}/data/snapshots`, { name: "s0", description: "old" });
  await Deno.writeTextFile(file, "other"); // As long, and in the same second.
  await one.api.do("PATCH", `${AT}/data`, { config: { "user.v": "1" } });

  await volume("copy", "one:default/data", "other:default/copy", RELAY);

  const there = onPool("other", "custom/default_copy/file");
  assert.equal(await Deno.readTextFile(there), "other");
  const { uid, gid, mode } = await Deno.lstat(there);
  assert.deepEqual([uid, gid, (mode ?? 0) & 0o7777], [12, 34, 0o640]);
  const old = onPool("other", "custom-snapshots/default_copy/s0/file");
  assert.equal(await Deno.readTextFile(old), "first");
  const [copied, saved] = [
    await other.api.get(`${AT}/copy`),
    await other.api.get(`${AT}/copy/snapshots/s0`),
  ];
  assert.deepEqual([copied.description, copied.config["user.v"]], ["d", "1"]);
  assert.deepEqual([saved.description, saved.config["user.v"]], ["old", "0"]);

  await other.api.do("POST", `${AT}/copy/snapshots`, { name: "theirs" });
  await one.api.do("POST", `${AT}/data/snapshots`, { name: "s1" });
  await Deno.remove(file);
  await volume("copy", "one:default/data", "other:default/copy", RELAY, "--refresh");
  assert.equal(await isThere(there), false, "what the source has no more goes");
  assert.deepEqual(await rows("other"), ["copy", "copy/s0", "copy/s1"]);

  await volume("copy", "one:default/data/s0", "other:default/alone", RELAY);
  assert.equal(await Deno.readTextFile(onPool("other", "custom/default_alone/file")), "first");
  await volume("copy", "one:default/data", "other:default/bare", RELAY, "--volume-only");
  await volume("move", "one:default/data", "other:default/moved", RELAY);
  assert.deepEqual(await rows("one"), []);
  const all = ["alone", "bare", "copy", "copy/s0", "copy/s1", "moved", "moved/s0", "moved/s1"];
  assert.deepEqual(await rows("other"), all);
  for (const name of ["alone", "bare", "copy", "moved"]) {
    await other.api.do("DELETE", `${AT}/${name}`);
  }
});

Deno.test("volume migration: a disk keeps every byte and its size, and old bytes go with a refresh", async () => {
  const { one, other } = two;
  const size = 8 * 2 ** 20;
  await one.api.do("POST", AT, { name: "disk", content_type: "block", config: { size: "8MiB" } });
  const disk = onPool("one", "custom/default_disk/root.img");
  await put(disk, 0, "start");
  await put(disk, size - 3, "end");
  await one.api.do("POST", `${AT}/disk/snapshots`, { name: "s0" });
  await put(disk, 0, "\0\0\0\0\0");

  await volume("copy", "one:default/disk", "other:default/disk", RELAY);

  const there = onPool("other", "custom/default_disk/root.img");
  assert.equal((await Deno.stat(there)).size, size);
  assert.equal(await bytes(there, size - 3, 3), "end");
  assert.equal(await bytes(there, 0, 5), "\0\0\0\0\0");
  assert.equal(
    await bytes(onPool("other", "custom-snapshots/default_disk/s0/root.img"), 0, 5),
    "start",
  );
  assert.ok((await Deno.stat(there)).blocks as number * 512 < size, "holes stay holes");
  await put(there, 4096, "old bytes of the copy");
  await volume("copy", "one:default/disk", "other:default/disk", RELAY, "--refresh");
  assert.equal(await bytes(there, 4096, 3), "\0\0\0");

  await other.api.do("POST", AT, { name: "files" });
  const failed = await two.try(
    "storage",
    "volume",
    "copy",
    "one:default/disk",
    "other:default/files",
    RELAY,
    "--refresh",
  );
  assert.match(failed.stderr, /another content type/);
  for (const name of ["disk", "files"]) await other.api.do("DELETE", `${AT}/${name}`);
  await one.api.do("DELETE", `${AT}/disk`);
});

Deno.test("volume migration: one that is cut off leaves nothing there, and the source as it was", async () => {
  const { one, other } = two;
  await one.api.do("POST", AT, { name: "big", content_type: "block", config: { size: "4GiB" } });
  await put(onPool("one", "custom/default_big/root.img"), 0, "start");
  const child = two.spawn(
    "storage",
    "volume",
    "copy",
    "one:default/big",
    "other:default/big",
    RELAY,
  );
  while (!await isThere(onPool("other", "custom/default_big/root.img"))) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  child.kill("SIGKILL");
  await child.status;

  for (const side of ["one", "other"] as const) {
    const { api } = two[side];
    const ids = Object.values(await api.get("/1.0/operations")).flat() as string[];
    for (const url of ids) await api.ask("GET", `${url}/wait?timeout=20`);
  }
  assert.deepEqual(await rows("other"), []);
  assert.equal(await isThere(onPool("other", "custom/default_big")), false);
  await one.api.do("POST", `${AT}/big`, { name: "free" });
  await one.api.do("DELETE", `${AT}/free`);

  const [status, error] = await other.api.fails("POST", AT, {
    name: "bad",
    source: { type: "migration", mode: "sideways" },
  });
  assert.match(`${status} ${error}`, /400 Unknown migration mode/);
  const [, gone] = await one.api.fails("POST", `${AT}/none`, { migration: true, name: "none" });
  assert.match(gone, /not found/);
});
