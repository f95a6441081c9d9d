import { hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { migrate } from "#daemon/db/migrate.ts";
import { insertImage, listImages } from "#daemon/db/images.ts";
import { openDatabase } from "#daemon/db/open.ts";
import { GLOBAL_MIGRATIONS } from "#daemon/db/schema.ts";
import assert from "node:assert/strict";
import { createEnsure, type EnsureOptions } from "./ensure.ts";
import { type FindOptions, parseSource, type RemoteImage, type RemoteServer } from "./source.ts";

const FINGERPRINT = "a".repeat(64);
const SOURCE = parseSource({ alias: "tiny", server: "https://images", protocol: "lxd" });
const OPTIONS: EnsureOptions = {
  project: "default",
  purpose: "cached",
  profiles: undefined,
  signal: new AbortController().signal,
};

interface World extends AsyncDisposable {
  readonly ensure: ReturnType<typeof createEnsure>;
  readonly settings: Record<string, string>;
  /** Fingerprint that the server's alias means; undefined: it is down. */
  means: string | undefined;
  downloads: number;
  readonly asked: FindOptions[];
  images(): Promise<{ fingerprint: string; isCached: boolean; autoUpdate: boolean }[]>;
}

async function open(): Promise<World> {
  const folder = await Deno.makeTempDir();
  const path = hostPath(`${folder}/db`);
  migrate(path, GLOBAL_MIGRATIONS);
  const db = openDatabase(path);
  const settings: Record<string, string> = {
    "images.auto_update_interval": "6",
    "images.auto_update_cached": "true",
  };
  const server: RemoteServer = {
    find(_source, options) {
      world.asked.push(options);
      const fingerprint = world.means;
      if (fingerprint === undefined) throw new Fault("unavailable", "down");
      const image: RemoteImage = {
        fingerprint,
        properties: {},
        filename: "",
        size: 1,
        expiresAt: undefined,
        aliases: [],
        async download(directory) {
          world.downloads++;
          await new Promise((resolve) => setTimeout(resolve, 5));
          const meta = hostPath(`${directory}/meta`);
          return { fingerprint, meta, rootfs: undefined, size: 1, filename: "" };
        },
      };
      return Promise.resolve(image);
    },
  };
  const ensure = createEnsure({
    db,
    servers: { lxd: server, direct: server, simplestreams: server },
    setting: (key) => Promise.resolve(settings[key] ?? ""),
    hostArchitecture: "x86_64",
    images: {
      workspace: () =>
        Promise.resolve({ path: hostPath(folder), [Symbol.asyncDispose]: () => Promise.resolve() }),
      files: (fingerprint) => ({
        fingerprint,
        meta: hostPath(`${folder}/${fingerprint}`),
        rootfs: undefined,
      }),
      async add({ fingerprint, size }, options) {
        const { source, isCached = false, autoUpdate = false } = options;
        await db.write((tx) =>
          insertImage(tx, {
            projectId: 1,
            fingerprint,
            size,
            filename: "",
            isPublic: options.isPublic,
            autoUpdate,
            architecture: 2,
            createdAt: new Date(),
            expiresAt: undefined,
            properties: {},
            profiles: ["default"],
            isCached,
            ...(source !== undefined && { source }),
          })
        );
        return fingerprint;
      },
    },
  });
  const world: World = {
    ensure,
    settings,
    means: FINGERPRINT,
    downloads: 0,
    asked: [],
    images: () => db.read((tx) => listImages(tx, 1)),
    async [Symbol.asyncDispose]() {
      db.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
  return world;
}

Deno.test("ensure() downloads once, however many want it at a time", async () => {
  await using world = await open();

  const all = await Promise.all(Array.from({ length: 20 }, () => world.ensure(SOURCE, OPTIONS)));

  assert.equal(world.downloads, 1);
  assert.deepEqual(all.map(({ isNew }) => isNew).toSorted().filter((one) => one), [true]);
  const [image] = await world.images();
  assert.deepEqual([image?.isCached, image?.autoUpdate], [true, true]);
});

Deno.test("ensure() prefers what is here while it is refreshed by the clock", async () => {
  await using world = await open();
  await world.ensure(SOURCE, OPTIONS);
  world.means = "b".repeat(64);

  const kept = await world.ensure(SOURCE, OPTIONS);
  world.settings["images.auto_update_interval"] = "0";
  const asked = await world.ensure(SOURCE, OPTIONS);

  assert.equal(kept.fingerprint, FINGERPRINT);
  assert.equal(asked.fingerprint, world.means);
});

Deno.test("ensure() uses what is here when the server is down, and says so when nothing is", async () => {
  await using world = await open();
  await world.ensure(SOURCE, OPTIONS);
  world.settings["images.auto_update_interval"] = "0";
  world.means = undefined;

  assert.equal((await world.ensure(SOURCE, OPTIONS)).fingerprint, FINGERPRINT);
  const other = parseSource({ alias: "other", server: "https://images" });
  await assert.rejects(world.ensure(other, OPTIONS), Fault);
});

Deno.test("ensure() keeps for good what was only cached, once it is copied", async () => {
  await using world = await open();
  await world.ensure(SOURCE, OPTIONS);

  const copied = await world.ensure(SOURCE, { ...OPTIONS, purpose: "kept" });

  const [image] = await world.images();
  assert.deepEqual([copied.isNew, world.downloads, image?.isCached], [false, 1, false]);
});

Deno.test("ensure() asks for the machine's architecture, or the configured one", async () => {
  await using world = await open();
  await world.ensure(SOURCE, { ...OPTIONS, purpose: "kept" });
  world.settings["images.default_architecture"] = "aarch64";
  await world.ensure(SOURCE, { ...OPTIONS, purpose: "kept" });

  assert.deepEqual(world.asked.map(({ architecture }) => architecture), ["x86_64", "aarch64"]);
});
