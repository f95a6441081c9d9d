/** What every storage driver must do. Each driver's kernel test calls `storageSuite` with a way to open one. */
import assert from "node:assert/strict";
import type { HostPath } from "#base/brand.ts";
import type { StorageDriver } from "#daemon/storage/driver.ts";
import type { Volume } from "#daemon/storage/volume.ts";
import { LAYER_CASES } from "./storage_layers.ts";
import {
  container,
  custom,
  disk,
  fill,
  fromImage,
  MIB,
  mountsBelow,
  read,
  readAt,
  refused,
  rootfsOf,
  sizeOf,
  unpack,
  write,
  writeAt,
} from "./storage_tools.ts";

/** A size that most drivers accept for a volume. */
const SIZE = 32 * MIB;

/** An open pool of the driver, empty. */
export interface Place extends AsyncDisposable {
  readonly driver: StorageDriver;
  /** The least size of a volume, where it is more than usual. */
  readonly sizeBytes?: number;
  /** A size below what a volume holds is taken: then it can't grow. Else it is refused. */
  readonly takesLess?: true;
  /** Names of volumes and snapshots that the driver has no others of. */
  readonly legalName?: RegExp;
  /** How many volumes are made at once where each is slow; 100 else. */
  readonly manyVolumes?: number;
  /** Where usage lags behind what was written or removed: let it catch up. */
  settle?(): Promise<void>;
  /** Everything of the pool lies below it. */
  readonly base: HostPath;
  /** What there is of the pool that is no file below `base`. */
  remains?(): Promise<readonly string[]>;
  /** As after a crash: a new driver on the same pool, nothing closed. */
  reopen(): Promise<StorageDriver>;
}

export type OpenPlace = () => Promise<Place>;

type Run = (place: Place) => Promise<void>;
const CASES: Readonly<Record<string, Run>> = { ...LAYER_CASES };
const define = (name: string, run: Run) => void ((CASES as Record<string, Run>)[name] = run);

define(
  "an image is unpacked once and cloned with owners, modes, links and metadata",
  async ({ driver }) => {
    let unpacked = 0;
    for (const name of ["a", "b"]) {
      await driver.ensureImage("cafe", (directory) => (unpacked++, unpack(directory)));
      await driver.createFromImage(container(name), "cafe");
    }
    assert.equal(unpacked, 1);
    assert.deepEqual([await driver.hasImage("cafe"), await driver.hasImage("beef")], [true, false]);
    const directory = await driver.mount(container("b"));
    assert.equal(await read(directory, "metadata.yaml"), "architecture: x86_64\n");
    assert.equal(await read(directory, "templates/hosts.tpl"), "hello");
    const stat = await Deno.stat(`${directory}/rootfs/bin/tool`);
    assert.deepEqual([stat.uid, stat.gid, (stat.mode ?? 0) & 0o7777], [12, 34, 0o4755]);
    assert.equal(stat.nlink, 2);
    assert.equal(await Deno.readLink(`${directory}/rootfs/link`), "/etc/absolute");
  },
);

define("an unpacking that fails leaves nothing and can be tried again", async ({ driver }) => {
  await assert.rejects(driver.ensureImage("cafe", () => Promise.reject(new Error("torn"))));

  assert.ok(await fromImage(driver, container("a")));
});

define(
  "clones are independent, and live on when image and parent are removed",
  async ({ driver }) => {
    const parent = await fromImage(driver, container("parent"));
    await write(parent, "mine", "1");
    await driver.copy(container("child"), container("parent"));
    const child = await rootfsOf(driver, container("child"));
    await write(parent, "mine", "2");
    assert.equal(await read(child, "mine"), "1");

    await driver.dropImage("cafe");
    await driver.remove(container("parent"));

    assert.equal(await read(child, "mine"), "1");
    assert.equal(await read(child, "bin/tool"), "image");
    await driver.remove(container("child"));
    assert.deepEqual(await driver.list("container"), []);
  },
);

define("an image can come back after it was dropped while clones use it", async ({ driver }) => {
  await fromImage(driver, container("a"));
  await driver.dropImage("cafe");
  const again = await fromImage(driver, container("b"));

  assert.equal(await read(again, "bin/tool"), "image");
  await driver.remove(container("a"));
  assert.equal(await read(again, "bin/tool"), "image");
});

define("a name that is taken is refused and what has it is not harmed", async ({ driver }) => {
  const rootfs = await fromImage(driver, container("a"));
  await write(rootfs, "mine", "1");
  await driver.create(custom("v"));

  await refused("conflict", driver.createFromImage(container("a"), "cafe"));
  await refused("conflict", driver.create(container("a")));
  await refused("conflict", driver.create(custom("v")));
  await fromImage(driver, container("b"));
  await refused("conflict", driver.copy(container("b"), container("a")));
  await refused("conflict", driver.rename(container("b"), "a"));

  assert.equal(await read(rootfs, "mine"), "1");
});

for (const [what, make] of [["container", container], ["custom volume", custom]] as const) {
  const inside = async (driver: StorageDriver, volume: Volume, snapshot?: string) =>
    volume.kind === "custom"
      ? await driver.mount(volume, snapshot)
      : await rootfsOf(driver, volume, snapshot);

  define(
    `snapshots of a ${what} are read-only, restored, renamed, removed in any order`,
    async ({ driver }) => {
      const volume = make("a");
      await driver.create(volume);
      const now = await inside(driver, volume);
      for (const value of ["1", "2", "3"]) {
        await write(now, "value", value);
        await driver.snapshot(volume, `s${value}`);
      }
      await write(now, "value", "4");
      assert.deepEqual(await driver.listSnapshots(volume), ["s1", "s2", "s3"]);
      assert.equal(await read(await inside(driver, volume, "s2"), "value"), "2");
      await refused("conflict", driver.snapshot(volume, "s2"));
      await refused("conflict", driver.renameSnapshot(volume, "s1", "s2"));

      await driver.renameSnapshot(volume, "s2", "two");
      assert.equal(await read(await inside(driver, volume, "two"), "value"), "2");
      await driver.restore(volume, "s3");
      assert.equal(await read(await inside(driver, volume), "value"), "3");
      await driver.removeSnapshot(volume, "two");
      await driver.removeSnapshot(volume, "s3");
      await driver.removeSnapshot(volume, "s3");
      await driver.restore(volume, "s1");
      assert.equal(await read(await inside(driver, volume), "value"), "1");
      await driver.removeSnapshot(volume, "s1");
      assert.deepEqual(await driver.listSnapshots(volume), []);
    },
  );

  define(
    `an older snapshot of a ${what} is restored, or refused while it would lose later ones`,
    async ({ driver }) => {
      const volume = make("a");
      await driver.create(volume);
      await write(await inside(driver, volume), "value", "1");
      await driver.snapshot(volume, "s1");
      await write(await inside(driver, volume), "value", "2");
      await driver.snapshot(volume, "s2");
      if (driver.can.restoreOlder) {
        await driver.restore(volume, "s1");
        assert.equal(await read(await inside(driver, volume), "value"), "1");
        await driver.restore(volume, "s2");
      } else await refused("bad_request", driver.restore(volume, "s1"));

      assert.equal(await read(await inside(driver, volume), "value"), "2");
      assert.deepEqual(await driver.listSnapshots(volume), ["s1", "s2"]);
    },
  );

  define(`a ${what} is copied with all, some or none of its snapshots`, async ({ driver }) => {
    const source = make("a");
    await driver.create(source);
    const now = await inside(driver, source);
    for (const value of ["1", "2"]) {
      await write(now, "value", value);
      await driver.snapshot(source, `s${value}`);
    }
    await write(now, "value", "3");

    await driver.copy(make("all"), source, { withSnapshots: true });
    await driver.copy(make("some"), source, { snapshots: ["s2"] });
    await driver.copy(make("none"), source);
    await driver.copy(make("old"), source, { snapshot: "s1" });

    assert.deepEqual(await driver.listSnapshots(make("all")), ["s1", "s2"]);
    assert.equal(await read(await inside(driver, make("all"), "s1"), "value"), "1");
    assert.equal(await read(await inside(driver, make("all")), "value"), "3");
    assert.deepEqual(await driver.listSnapshots(make("some")), ["s2"]);
    assert.deepEqual(await driver.listSnapshots(make("none")), []);
    assert.equal(await read(await inside(driver, make("none")), "value"), "3");
    assert.equal(await read(await inside(driver, make("old")), "value"), "1");
    await driver.remove(source);
    await write(await inside(driver, make("all")), "value", "4");
    await driver.restore(make("all"), "s2");
    assert.equal(await read(await inside(driver, make("all")), "value"), "2");
  });

  define(`a ${what} is renamed with its snapshots and keeps its content`, async ({ driver }) => {
    const volume = make("a");
    await driver.create(volume);
    await write(await inside(driver, volume), "value", "1");
    await driver.snapshot(volume, "s1");
    const next = make("b-1.x");

    await driver.rename(volume, next.name);

    assert.equal(await read(await inside(driver, next), "value"), "1");
    assert.equal(await read(await inside(driver, next, "s1"), "value"), "1");
    assert.deepEqual((await driver.list(volume.kind)).map(({ name }) => name), [next.name]);
    await driver.create(volume);
    assert.deepEqual(await driver.listSnapshots(volume), []);
  });

  define(`removing a ${what} takes its snapshots along, twice is no error`, async ({ driver }) => {
    const volume = make("a");
    await driver.create(volume);
    await driver.snapshot(volume, "s1");
    await driver.copy(make("b"), volume, { snapshot: "s1" });

    await driver.remove(volume);
    await driver.remove(volume);

    assert.deepEqual((await driver.list(volume.kind)).map(({ name }) => name), [make("b").name]);
    await driver.create(volume);
    assert.deepEqual(await driver.listSnapshots(volume), []);
  });

  define(
    `a size of a ${what} is enforced, raised and shown, or refused with the reason`,
    async ({ driver, settle, takesLess, sizeBytes: size = SIZE }) => {
      if (!driver.can.quota) {
        await refused("bad_request", driver.create(make("a"), { sizeBytes: size }));
        assert.deepEqual(await driver.list(make("a").kind), []);
        return;
      }
      const volume = make("a");
      await driver.create(volume, { sizeBytes: size });
      const now = await inside(driver, volume);
      await assert.rejects(fill(`${now}/big`, size + 16 * MIB), /os error (28|122)/);
      await Deno.remove(`${now}/big`);
      assert.equal((await driver.usage(volume)).totalBytes, size);

      await driver.resize(volume, 2 * size);

      await fill(`${await inside(driver, volume)}/big`, size + 16 * MIB);
      await settle?.();
      const { usedBytes, totalBytes } = await driver.usage(volume);
      assert.equal(totalBytes, 2 * size);
      assert.ok(usedBytes > size, `${usedBytes} bytes used`);
      if (takesLess !== true) {
        return await refused("bad_request", driver.resize(volume, size));
      }
      await driver.resize(volume, size);
      assert.equal((await driver.usage(volume)).totalBytes, size);
      await assert.rejects(fill(`${await inside(driver, volume)}/more`, MIB), /os error 122/);
    },
  );
}

define(
  "a disk has its size, grows, never shrinks, and is snapshotted and copied",
  async ({ driver }) => {
    if (!driver.can.block) return await refused("bad_request", driver.create(disk("d")));
    const volume = disk("d");
    await driver.create(volume, { sizeBytes: 8 * MIB });
    await driver.mount(volume);
    assert.equal(await sizeOf(driver.diskPath(volume)), 8 * MIB);
    await writeAt(driver.diskPath(volume), "one");
    await driver.snapshot(volume, "s1");
    await writeAt(driver.diskPath(volume), "two");
    await driver.resize(volume, 16 * MIB);
    assert.equal(await sizeOf(driver.diskPath(volume)), 16 * MIB);
    await refused("bad_request", driver.resize(volume, 8 * MIB));

    await driver.copy(disk("e"), volume, { withSnapshots: true });
    await driver.mount(disk("e"));

    assert.equal(await readAt(driver.diskPath(disk("e"))), "two");
    await driver.restore(disk("e"), "s1");
    await driver.mount(disk("e"));
    assert.equal(await readAt(driver.diskPath(disk("e"))), "one");
    assert.deepEqual(
      (await driver.list("custom")).map(({ name, content }) => [name, content]),
      [["p1_d", "block"], ["p1_e", "block"]],
    );
  },
);

define("usage counts what was written", async ({ driver, settle }) => {
  await driver.create(custom("v"));
  await settle?.();
  const before = (await driver.usage(custom("v"))).usedBytes;
  await fill(`${await driver.mount(custom("v"))}/data`, 8 * MIB);
  await settle?.();

  const after = (await driver.usage(custom("v"))).usedBytes;

  assert.ok(after - before >= 7 * MIB, `${before} -> ${after}`);
  await driver.snapshot(custom("v"), "s1");
  assert.ok((await driver.usage(custom("v"), "s1")).usedBytes >= 0);
  const { usedBytes, totalBytes } = await driver.space();
  assert.ok(usedBytes > 0 && totalBytes > usedBytes);
});

define("names with every legal character live beside each other", async (place) => {
  const { driver, legalName = /./ } = place;
  const containers = ["a", "A", "a-b", "a--b", "c1-", "p_a", "x".repeat(63)];
  const all = ["a", "a-b", "a--b", "a_b", "a.b", "A+b", "-x", "ä", "a:b", "%41", "a@b"];
  const volumes = all.filter((name) => legalName.test(name));
  for (const name of all.filter((one) => !legalName.test(one))) {
    await refused("bad_request", driver.create(custom(name)));
  }
  for (const name of containers) await driver.create(container(name));
  for (const name of volumes) {
    await driver.create(custom(name));
    await write(await driver.mount(custom(name)), "name", name);
    await driver.snapshot(custom(name), `s-${name}`);
  }

  for (const name of volumes) {
    assert.equal(await read(await driver.mount(custom(name)), "name"), name);
    assert.deepEqual(await driver.listSnapshots(custom(name)), [`s-${name}`]);
    assert.equal(await read(await driver.mount(custom(name), `s-${name}`), "name"), name);
  }
  const names = async (kind: Volume["kind"]) =>
    (await driver.list(kind)).map(({ name }) => name).toSorted();
  assert.deepEqual(await names("container"), containers.toSorted());
  assert.deepEqual(await names("custom"), volumes.map((name) => `default_${name}`).toSorted());
  for (const name of volumes) await driver.remove(custom(name));
  assert.deepEqual(await names("custom"), []);
});

define(
  "many volumes are made, snapshotted and removed at once",
  async ({ driver, manyVolumes = 100 }) => {
    await driver.ensureImage("cafe", unpack);
    const all = Array.from({ length: manyVolumes }, (_, index) => container(`c${index}`));

    await Promise.all(all.map(async (volume) => {
      await driver.createFromImage(volume, "cafe");
      await driver.snapshot(volume, "s");
    }));
    assert.equal((await driver.list("container")).length, manyVolumes);
    await Promise.all(all.map((volume) => driver.remove(volume)));

    assert.deepEqual(await driver.list("container"), []);
  },
);

define("a driver that starts after a crash finds all volumes whole", async ({ driver, reopen }) => {
  const rootfs = await fromImage(driver, container("a"));
  await write(rootfs, "value", "1");
  await driver.snapshot(container("a"), "s1");
  await driver.create(custom("v"));
  await write(await driver.mount(custom("v")), "value", "2");

  const next = await reopen();

  assert.equal(await read(await rootfsOf(next, container("a")), "value"), "1");
  assert.equal(await read(await rootfsOf(next, container("a"), "s1"), "value"), "1");
  assert.equal(await read(await next.mount(custom("v")), "value"), "2");
  await next.restore(container("a"), "s1");
  await next.remove(container("a"));
  await next.remove(custom("v"));
  assert.deepEqual([...await next.list("container"), ...await next.list("custom")], []);
});

/** Register the suite for one driver. @param only Some of the cases; default: all. */
export function storageSuite(driver: string, open: OpenPlace, only = /(?:)/): void {
  for (const [name, run] of Object.entries(CASES).filter(([name]) => only.test(name))) {
    Deno.test(`${driver}: ${name}`, async () => {
      let base: HostPath;
      {
        await using place = await open();
        base = place.base;
        await run(place);
      }
      assert.deepEqual(mountsBelow(base), []);
    });
  }
}
