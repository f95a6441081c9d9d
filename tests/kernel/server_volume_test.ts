/** Images and backups on volumes: moved there and back, kept through restarts and crashes. */
import { emptyImage } from "#tests/fakes/image.ts";
import { CrashWorld } from "#tests/world/crash.ts";
import assert from "node:assert/strict";

const VOLUMES = "/1.0/storage-pools/pool/volumes/custom";
const EFFECTS_MAX = 100;
const STRIDE = Deno.env.has("LXD_TEST_EVERY_EFFECT") ? 1 : 4;

let world: CrashWorld;
let image: string;

Deno.test.beforeAll(async () => {
  world = await CrashWorld.open();
  await world.api.do("POST", "/1.0/storage-pools", { name: "pool", driver: "dir", config: {} });
  const built = await world.api.do("POST", "/1.0/images", undefined, { raw: emptyImage() });
  image = built.fingerprint;
  for (const name of ["images", "backups", "used", "saved"]) {
    await world.api.do("POST", VOLUMES, { name, config: {} });
  }
  await world.api.do("POST", VOLUMES, { name: "disk", content_type: "block", config: {} });
  await world.api.do("POST", `${VOLUMES}/saved/snapshots`, { name: "snap0" });
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const volume = (name: string) => world.seen(`storage-pools/pool/custom/default_${name}`);
const set = (config: Record<string, string>) => world.api.do("PUT", "/1.0", { config });
const namesIn = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).toSorted();
const kindOf = async () => (await Deno.lstat(world.seen("images"))).isSymlink ? "link" : "folder";

async function assertWhole(): Promise<void> {
  assert.deepEqual(namesIn(world.seen("images")), [image]);
  const { status, text } = await world.api.ask("GET", `/1.0/images/${image}/export`);
  assert.deepEqual([status, text.length > 0], [200, true]);
  assert.deepEqual(
    namesIn(world.seen("")).filter((name) => /^(images|backups)./.test(name)),
    [],
  );
}

Deno.test("server volumes: images and backups move to volumes and back, with all that is in them", async () => {
  const config = {
    "storage.images_volume": "pool/images",
    "storage.backups_volume": "pool/backups",
  };

  await set(config);

  await assertWhole();
  assert.equal(await kindOf(), "link");
  assert.deepEqual(namesIn(volume("images")), [image]);
  assert.deepEqual(namesIn(volume("backups")), ["custom", "instances"]);
  await world.endDaemon("SIGTERM");
  await world.startDaemon();
  await assertWhole();
  const other = emptyImage("Made while on the volume");
  const { fingerprint } = await world.api.do("POST", "/1.0/images", undefined, { raw: other });
  assert.deepEqual(namesIn(volume("images")), [image, fingerprint].toSorted());
  await world.api.do("DELETE", `/1.0/images/${fingerprint}`);
  await set({});
  await assertWhole();
  assert.equal(await kindOf(), "folder");
  assert.deepEqual([namesIn(volume("images")), namesIn(volume("backups"))], [[], []]);
});

Deno.test("server volumes: a volume that does not fit is refused, and nothing moves", async () => {
  await Deno.writeTextFile(`${volume("used")}/file`, "");
  for (
    const [value, why] of [
      ["pool", /must be <pool>\/<volume>/],
      ["nowhere/images", /Storage pool not found/],
      ["pool/absent", /Storage volume not found/],
      ["pool/disk", /it is a disk/],
      ["pool/used", /isn't empty/],
      ["pool/saved", /cannot have snapshots/],
    ] as const
  ) {
    const [status, error] = await world.api.fails("PUT", "/1.0", {
      config: { "storage.images_volume": value },
    });
    assert.ok(status === 400 || status === 404, value);
    assert.match(error, why);
  }
  assert.match(
    (await world.api.fails("PUT", "/1.0", {
      config: { "storage.images_volume": "pool/images", "storage.backups_volume": "pool/images" },
    }))[1],
    /cannot set 'storage\.\w+_volume' to 'pool\/images'/,
  );
  assert.equal(await kindOf(), "folder");
  await assertWhole();
});

Deno.test("server volumes: what the server uses is not deleted, renamed, moved or snapshotted", async () => {
  await set({ "storage.images_volume": "pool/images" });
  const at = `${VOLUMES}/images`;

  const refusals = [
    await world.api.fails("DELETE", at),
    await world.api.fails("POST", at, { name: "other" }),
    await world.api.fails("POST", `${at}/snapshots`, { name: "snap0" }),
  ];

  for (const [, error] of refusals) assert.match(error, /used by LXD itself/);
  await set({});
  await assertWhole();
});

Deno.test("crash: a move to a volume or back that is cut off is finished or undone", async () => {
  const on: Record<string, string> = { "storage.images_volume": "pool/images" };
  for (const [from, to] of [[{}, on], [on, {}]] as const) {
    let effect = 1 + Math.floor(Math.random() * STRIDE);
    for (;; effect += STRIDE) {
      await set(from);
      assert.ok(effect < EFFECTS_MAX);
      const at = await world.crash(effect, () => set(to));
      if (at === undefined) break;
      await assertWhole();
      const { config } = await world.api.get("/1.0");
      const isOn = config["storage.images_volume"] !== undefined;
      assert.equal(await kindOf(), isOn ? "link" : "folder", at);
    }
    assert.ok(effect > 3, `${effect}`);
  }
  await set({});
});
