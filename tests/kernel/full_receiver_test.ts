/** The receiving side of a migration gets full: said before anything comes, or nothing is left. */
import { fill, MIB } from "#tests/suites/storage_tools.ts";
import { mountSmallDisk } from "#tests/world/small_disk.ts";
import { startTwoDaemons, type TwoDaemons } from "#tests/world/two_daemons.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";

let two: TwoDaemons;
const NAME = `receiver${Deno.pid}`;
const VOLUMES = "/1.0/storage-pools/default/volumes/custom";
const RELAY = "--mode=relay";

Deno.test.beforeAll(async () => {
  two = await startTwoDaemons([33, 34], { prepareOther: mountSmallDisk });
});
Deno.test.afterAll(async () => {
  await two.other.daemon.stop();
  await must(["umount", two.other.daemon.directory]);
  await two[Symbol.asyncDispose]();
});

const inside = (path: string) => `${two.one.daemon.directory}/storage-pools/default/${path}`;
const free = async () => {
  const out = await must(["df", "--output=avail", "-B1", two.other.daemon.directory]);
  return Number(out.trim().split("\n").at(-1));
};
const names = async (path: string) =>
  (await two.other.api.get(`${path}?recursion=1`)).map(({ name }: { name: string }) => name);

Deno.test("full receiver: what is known to be too large is refused before anything comes", async () => {
  const { one, other } = two;
  await one.create(NAME);
  await fill(
    `/proc/${one.daemon.pid}/root${inside(`containers/${NAME}`)}/rootfs/etc/big`,
    500 * MIB,
  );
  await one.api.do("POST", VOLUMES, { name: "big" });
  await fill(inside("custom/default_big/big"), 500 * MIB);
  const before = await free();

  const instance = await two.try("copy", `one:${NAME}`, `other:${NAME}`, RELAY);
  const volume = await two.try(
    ...["storage", "volume", "copy", "one:default/big", "other:default/big", RELAY],
  );

  assert.match(instance.stderr, /cannot receive the instance: it needs 5\d\dMiB, \d+MiB are free/);
  assert.match(volume.stderr, /cannot receive the volume: it needs 5\d\dMiB, \d+MiB are free/);
  assert.ok(await free() > before - 4 * MIB);
  assert.deepEqual([await names("/1.0/instances"), await names(VOLUMES)], [[], []]);
  await other.api.do("POST", "/1.0/profiles", { name: "works" });
});

Deno.test("full receiver: one that gets full on the way leaves nothing, and harms nobody", async () => {
  const { one, other } = two;
  await other.create("safe");
  for (const path of [`containers/${NAME}`, "custom/default_big"]) {
    const root = path.startsWith("containers") ? `${path}/rootfs/etc` : path;
    await Deno.truncate(`/proc/${one.daemon.pid}/root${inside(root)}/big`, 200 * MIB);
  }
  const before = await free();
  const calls = [
    ["copy", `one:${NAME}`, `other:${NAME}`, RELAY],
    ["storage", "volume", "copy", "one:default/big", "other:default/big", RELAY],
  ];
  const eaten = `${other.daemon.directory}/eaten`;
  await one.api.do("PATCH", "/1.0/storage-pools/default", { config: { "rsync.bwlimit": "50MiB" } });
  for (const call of calls) {
    // What the last one left is removed when it has been told already.
    while (await free() < before - 6 * MIB) await new Promise((resolve) => setTimeout(resolve, 50));
    const copied = two.try(...call);
    // Once it comes, another takes the space.
    while (await free() > before - 8 * MIB) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const size = Math.floor((await free() - 48 * MIB) / MIB);
    await must(["fallocate", "--length", `${size}MiB`, eaten]);

    const { status, stderr } = await copied;

    assert.notEqual(status, 0);
    assert.match(stderr, /no space left on the storage pool/i);
    await Deno.remove(eaten);
  }
  await other.daemon.restart({});
  assert.deepEqual([await names("/1.0/instances"), await names(VOLUMES)], [["safe"], []]);
  assert.ok(await free() > before - 16 * MIB, "what came is gone");
  await other.setState("safe", "start");
  await other.setState("safe", "stop", { force: true });
  const query = "PRAGMA integrity_check";
  const { results } = await other.api.do("POST", "/internal/sql", { database: "global", query });
  assert.deepEqual(results[0].rows, [["ok"]]);
});
