/** All that a volume goes through, and what must be true of it when that came to no good end. */
import assert from "node:assert/strict";
import { statfsSync } from "node:fs";
import type { StorageDriver } from "#daemon/storage/driver.ts";
import type { Volume } from "#daemon/storage/volume.ts";
import type { Place } from "./storage.ts";
import { container, custom, disk, MIB, read, rootfsOf, unpack, write } from "./storage_tools.ts";

const SETTLE_MS = 3_000;
const POLL_MS = 20;

export type Make = (name: string) => Volume;

export interface Change {
  readonly name: string;
  /** For some kinds of volumes. */
  readonly mayDoNothing?: true;
  prepare(driver: StorageDriver, make: Make): Promise<void>;
  run(driver: StorageDriver, make: Make): Promise<void>;
  /** What a caller does who finds it half-done, and what must be true then. */
  verify(driver: StorageDriver, make: Make): Promise<void>;
}

const inside = async (driver: StorageDriver, volume: Volume, snapshot?: string) =>
  volume.kind === "custom"
    ? await driver.mount(volume, snapshot)
    : await rootfsOf(driver, volume, snapshot);

async function valueOf(driver: StorageDriver, volume: Volume, snapshot?: string) {
  return await read(await inside(driver, volume, snapshot), "value");
}

async function isListed(driver: StorageDriver, volume: Volume): Promise<boolean> {
  return (await driver.list(volume.kind)).some(({ name }) => name === volume.name);
}

/** A volume "a" that holds "2", with a snapshot "s1" that holds "1". */
async function makeUsed(driver: StorageDriver, volume: Volume, sizeBytes = 0): Promise<void> {
  if (volume.kind === "container") {
    await driver.ensureImage("cafe", unpack);
    await driver.createFromImage(volume, "cafe", { sizeBytes });
  } else await driver.create(volume, { sizeBytes });
  const now = await inside(driver, volume);
  await write(now, "value", "1");
  await driver.snapshot(volume, "s1");
  await write(now, "value", "2");
}

async function isUsed(driver: StorageDriver, volume: Volume): Promise<void> {
  assert.equal(await valueOf(driver, volume), "2");
  assert.deepEqual(await driver.listSnapshots(volume), ["s1"]);
  assert.equal(await valueOf(driver, volume, "s1"), "1");
}

/** It is what it was or what it was to be, and can be restored. */
async function isRestored(driver: StorageDriver, volume: Volume): Promise<void> {
  const value = await valueOf(driver, volume);
  assert.ok(value === "1" || value === "2", `it holds "${value}"`);
  assert.deepEqual(await driver.listSnapshots(volume), ["s1"]);
  await driver.restore(volume, "s1");
  assert.equal(await valueOf(driver, volume), "1");
}

/** It was never finished, as its caller knows: it can be removed, and made again. */
async function redo(driver: StorageDriver, volume: Volume, again: () => Promise<void>) {
  await driver.remove(volume);
  assert.equal(await isListed(driver, volume), false);
  assert.deepEqual(await driver.listSnapshots(volume).catch(() => []), []);
  await again();
  assert.equal(await isListed(driver, volume), true);
}

const nothing = () => Promise.resolve();

export const CHANGES: readonly Change[] = [
  {
    name: "made",
    prepare: nothing,
    run: (driver, make) => driver.create(make("a")),
    verify: (driver, make) => redo(driver, make("a"), () => driver.create(make("a"))),
  },
  {
    name: "copied with its snapshots",
    prepare: (driver, make) => makeUsed(driver, make("a")),
    run: (driver, make) => driver.copy(make("b"), make("a"), { withSnapshots: true }),
    async verify(driver, make) {
      await isUsed(driver, make("a"));
      await redo(
        driver,
        make("b"),
        () => driver.copy(make("b"), make("a"), { withSnapshots: true }),
      );
      await isUsed(driver, make("b"));
    },
  },
  {
    name: "snapshotted",
    prepare: (driver, make) => makeUsed(driver, make("a")),
    run: (driver, make) => driver.snapshot(make("a"), "s2"),
    async verify(driver, make) {
      await driver.removeSnapshot(make("a"), "s2");
      await isUsed(driver, make("a"));
      await driver.snapshot(make("a"), "s2");
      assert.equal(await valueOf(driver, make("a"), "s2"), "2");
    },
  },
  {
    name: "restored",
    prepare: (driver, make) => makeUsed(driver, make("a")),
    run: (driver, make) => driver.restore(make("a"), "s1"),
    verify: (driver, make) => isRestored(driver, make("a")),
  },
  {
    name: "restored, with a copy of what came later",
    async prepare(driver, make) {
      await makeUsed(driver, make("a"));
      await driver.copy(make("b"), make("a"));
    },
    run: (driver, make) => driver.restore(make("a"), "s1"),
    async verify(driver, make) {
      await isRestored(driver, make("a"));
      assert.equal(await valueOf(driver, make("b")), "2");
    },
  },
  {
    name: "renamed",
    prepare: (driver, make) => makeUsed(driver, make("a")),
    run: (driver, make) => driver.rename(make("a"), make("b").name),
    async verify(driver, make) {
      if (!await isListed(driver, make("a"))) await driver.rename(make("b"), make("a").name);
      await isUsed(driver, make("a"));
      assert.equal(await isListed(driver, make("b")), false);
    },
  },
  {
    name: "removed with its snapshots",
    prepare: (driver, make) => makeUsed(driver, make("a")),
    run: (driver, make) => driver.remove(make("a")),
    verify: (driver, make) => redo(driver, make("a"), () => makeUsed(driver, make("a"))),
  },
];

const sizeOf = async (driver: StorageDriver, volume: Volume) =>
  (await driver.usage(volume)).totalBytes;

const SIZE = 16 * MIB;

/** For drivers that limit a volume by other means than one without a limit, or lift limits for a while. */
export const SIZED_CHANGES: readonly Change[] = [
  {
    name: "made with a size",
    prepare: nothing,
    run: (driver, make) => driver.create(make("a"), { sizeBytes: SIZE }),
    verify: (driver, make) =>
      redo(driver, make("a"), () => driver.create(make("a"), { sizeBytes: SIZE })),
  },
  ...CHANGES.filter(({ name }) => !/^made|with a copy of/.test(name)).map((change): Change => ({
    ...change,
    name: `of some size and ${change.name}`,
    prepare: (driver, make) => makeUsed(driver, make("a"), SIZE),
    async verify(driver, make) {
      if (change.name === "restored") assert.equal(await sizeOf(driver, make("a")), SIZE);
      await change.verify(driver, make);
    },
  })),
  {
    name: "of some size and made a tree of its own",
    mayDoNothing: true,
    prepare: (driver, make) => makeUsed(driver, make("a"), SIZE),
    run: (driver, make) => driver.flatten(make("a")),
    async verify(driver, make) {
      assert.equal(await sizeOf(driver, make("a")), SIZE);
      await isUsed(driver, make("a"));
      await driver.flatten(make("a"));
      await isUsed(driver, make("a"));
      assert.equal(await sizeOf(driver, make("a")), SIZE);
    },
  },
  ...([
    ["given a size", 0, SIZE],
    ["freed of its size", SIZE, 0],
    ["given a larger size", SIZE, 2 * SIZE],
    ["given a smaller size", 2 * SIZE, SIZE],
  ] as const).map((
    [name, before, after],
  ): Change => ({
    name,
    prepare: (driver, make) => makeUsed(driver, make("a"), before),
    run: (driver, make) => driver.resize(make("a"), after),
    async verify(driver, make) {
      await isUsed(driver, make("a"));
      const size = await sizeOf(driver, make("a"));
      assert.ok(size === before || size === after, `it has ${size} bytes`);
      await driver.resize(make("a"), after);
      await isUsed(driver, make("a"));
      assert.equal(await sizeOf(driver, make("a")), after);
      if (after === 0) return;
      const { blocks, bsize } = statfsSync(await inside(driver, make("a")));
      assert.ok(blocks * bsize > after / 2 && blocks * bsize <= after, "what df shows");
    },
  })),
];

export const KINDS: readonly (readonly [string, Make, RegExp?])[] = [
  ["a container", container],
  ["a custom volume", custom],
  ["a disk", disk, /^made/],
];

/** All paths of the pool; of others the place knows. */
export async function remains(place: Place): Promise<string[]> {
  const { stdout } = await new Deno.Command("find", { args: [place.base] }).output();
  const all = new TextDecoder().decode(stdout).split("\n");
  // The trash itself is made when it is first needed.
  const paths = all.filter((path) => path !== "" && !path.endsWith("/trash"));
  return [...paths, ...await place.remains?.() ?? []].toSorted();
}

/** At once or soon: what is thrown away goes in the background. */
export async function assertRemains(
  place: Place,
  expected: readonly string[],
  isMeant: (path: string) => boolean = () => true,
): Promise<void> {
  const end = performance.now() + SETTLE_MS;
  for (;;) {
    const found = await remains(place);
    const strange = found.filter((path) => !expected.includes(path) && isMeant(path));
    if (strange.length === 0) return;
    if (performance.now() > end) assert.deepEqual(strange, [], "what is left");
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
