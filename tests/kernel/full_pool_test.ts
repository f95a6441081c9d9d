/** A daemon on a small disk of its own, which gets full: with its database, images, backups and pool. */
import { fill } from "#tests/suites/storage_tools.ts";
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import { must } from "#tests/world/run.ts";
import { mountSmallDisk } from "#tests/world/small_disk.ts";
import assert from "node:assert/strict";

let world: InstanceDaemon;
const MIB = 2 ** 20;
const NAME = `full${Deno.pid}`;
const AT = `/1.0/instances/${NAME}`;
const VOLUMES = "/1.0/storage-pools/default/volumes/custom";

Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 51, prepare: mountSmallDisk });
  await world.launch(NAME);
  await world.api.do("POST", VOLUMES, { name: "big" });
  await fill(`${folder("big")}/data`, 100 * MIB);
});
Deno.test.afterAll(async () => {
  await world.daemon.stop();
  await must(["umount", world.daemon.directory]);
  await world[Symbol.asyncDispose]();
});

const folder = (name: string) =>
  `${world.daemon.directory}/storage-pools/default/custom/default_${name}`;
const free = async () => {
  const out = await must(["df", "--output=avail", "-B1", world.daemon.directory]);
  return Number(out.trim().split("\n").at(-1));
};
const eaten = () => `${world.daemon.directory}/eaten`;
/** Let this much be free. */
async function leave(bytes: number): Promise<void> {
  await Deno.remove(eaten()).catch(() => undefined);
  const size = Math.floor((await free() - bytes) / MIB);
  await must(["fallocate", "--length", `${size}MiB`, eaten()]);
}
const volumeNames = async () =>
  (await world.api.get(`${VOLUMES}?recursion=1`)).map(({ name }: { name: string }) => name);

Deno.test("full pool: what doesn't fit is refused with what it needs, and leaves nothing", async () => {
  const { api } = world;
  await leave(120 * MIB);
  const refused = async (what: RegExp, asked: Promise<[number, string]>) => {
    const [, message] = await asked;
    assert.match(message, new RegExp(`${what.source}: it needs \\d+MiB, \\d+MiB are free`));
  };

  const copy = { name: "copy", source: { type: "copy", name: "big", pool: "default" } };
  await refused(/cannot copy the volume/, api.fails("POST", VOLUMES, copy));
  const snapshot = { name: "s" };
  await refused(/copy the volume/, api.fails("POST", `${VOLUMES}/big/snapshots`, snapshot));
  const backup = { name: "b", compression_algorithm: "none" };
  await refused(/make the backup/, api.fails("POST", `${VOLUMES}/big/backups`, backup));
  const file = `${world.daemon.folder}/large`;
  await must(["truncate", "--size=110M", file]);
  const upload = await world.daemon.try(["image", "import", file]);
  assert.match(upload.stderr, /cannot receive the image: it needs \d+MiB, \d+MiB are free/);

  assert.deepEqual(await volumeNames(), ["big"]);
  assert.deepEqual(await api.get(`${VOLUMES}/big/backups`), []);
  assert.ok(await free() > 115 * MIB);
});

Deno.test("full pool: a backup that doesn't fit unpacked is refused before anything is made", async () => {
  const { api, daemon } = world;
  await leave(200 * MIB);
  const file = `${daemon.folder}/b.tar`;
  // Zeros: a small file that is large when it is unpacked.
  await must([
    ...["sh", "-ec", 'mkdir -p "$1/backup/volume" && cd "$1" && truncate -s 180M backup/volume/x'],
    ...["sh", `${daemon.folder}/tree`],
  ]);
  await Deno.writeTextFile(
    `${daemon.folder}/tree/backup/index.yaml`,
    "name: bomb\nbackend: dir\npool: default\ntype: custom\nconfig:\n  volume:\n    name: bomb\n",
  );
  await must([
    "tar",
    "-C",
    `${daemon.folder}/tree`,
    "-czf",
    file,
    "backup/index.yaml",
    "backup/volume",
  ]);

  const answer = await api.ask("POST", VOLUMES, undefined, { raw: await Deno.readFile(file) });

  assert.match(answer.text, /cannot import the backup: it needs 1[89]\dMiB, \d+MiB are free/);
  assert.deepEqual(await volumeNames(), ["big"]);
});

Deno.test("full pool: with not a byte left nothing is lost, and all works when there is space", async () => {
  const { api, daemon, setState } = world;
  await leave(4 * MIB);
  await fill(`${folder("big")}/last`, 64 * MIB).catch(() => undefined);

  for (let index = 0; index < 40; index++) {
    const config = { [`user.${index}`]: "x".repeat(20_000) };
    await api.ask("POST", VOLUMES, { name: `v${index}`, config });
    await api.ask("POST", "/1.0/profiles", { name: `p${index}`, config });
  }
  assert.equal((await api.get(AT)).status, "Running");
  assert.equal((await Deno.stat(`${folder("big")}/data`)).size, 100 * MIB);
  const made = await volumeNames();

  await Deno.remove(`${folder("big")}/last`);
  await leave(150 * MIB);
  await daemon.restart({});
  await setState(NAME, "stop", { force: true }).catch(() => undefined);
  assert.deepEqual(await volumeNames(), made);
  const query = "PRAGMA integrity_check";
  const { results } = await api.do("POST", "/internal/sql", { database: "global", query });
  assert.deepEqual(results[0].rows, [["ok"]]);
  await api.do("POST", "/1.0/instances", {
    name: `${NAME}c`,
    source: { type: "copy", source: NAME },
  });
  for (const name of made.filter((one: string) => one !== "big")) {
    await api.do("DELETE", `${VOLUMES}/${name}`);
  }
  assert.deepEqual(await volumeNames(), ["big"]);
});
