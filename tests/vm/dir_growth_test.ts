/**
 * Volumes of the driver `dir` with a size by a file get another one: used (growing a mounted ext4 needs
 * CAP_SYS_RESOURCE, which the kernel tests of a host may lack), and with a death at any step.
 */
import type { StorageDriver } from "#daemon/storage/driver.ts";
import type { HostPath } from "#base/brand.ts";
import { openDir } from "#tests/kernel/storage_places.ts";
import { crashSuite } from "#tests/suites/storage_crash.ts";
import { container, custom, fill, MIB, read, write } from "#tests/suites/storage_tools.ts";
import { must } from "#tests/world/run.ts";
import { isMet } from "./needs.ts";
import assert from "node:assert/strict";

const SIZE = 16 * MIB;
const FULL = /os error 28/;

/** It is full, grows under the one who writes, and has room again. */
async function growsAt(path: HostPath, grow: () => Promise<void>): Promise<void> {
  await write(path, "value", "1");
  using open = await Deno.open(`${path}/value`, { write: true, append: true });
  await assert.rejects(fill(`${path}/big`, 24 * MIB), FULL);

  await grow();

  await fill(`${path}/more`, 12 * MIB);
  await open.write(new TextEncoder().encode("2"));
  assert.equal(await read(path, "value"), "12");
}

const totalOf = async (driver: StorageDriver, volume: Parameters<StorageDriver["usage"]>[0]) =>
  (await driver.usage(volume)).totalBytes;

Deno.test.beforeAll(async () => void await must(["modprobe", "loop"]));

crashSuite("dir (sizes by files)", () => openDir("copy"), {
  isSized: true,
  stride: 8,
  only: /^given a (larger|smaller) size/,
});

if (isMet("CAP_SYS_RESOURCE")) {
  // The kernel of the VM can't make the overlays.
  Deno.test(`dir (copy): a container that runs gets a larger size, and not a smaller one`, async () => {
    await using place = await openDir("copy");
    const { driver } = place;
    const volume = container("a");
    await driver.ensureImage("cafe", (directory) => Deno.mkdir(`${directory}/rootfs`));
    await driver.createFromImage(volume, "cafe", { sizeBytes: SIZE });
    const { path } = await driver.present(volume, { idmap: null, plainRoot: false });

    await growsAt(path, () => driver.resize(volume, 2 * SIZE));

    await assert.rejects(driver.resize(volume, SIZE), /while the volume is used/);
    await assert.rejects(driver.resize(volume, 0), /while the volume is used/);
    assert.equal(await totalOf(driver, volume), 2 * SIZE);
    await driver.settle(volume);
    assert.equal(await totalOf(await place.reopen(), volume), 2 * SIZE);
  });

  Deno.test("dir: a custom volume that is used gets a larger size, and not a smaller one", async () => {
    await using place = await openDir("overlay");
    const { driver } = place;
    const volume = custom("a");
    await driver.create(volume, { sizeBytes: SIZE });

    await growsAt(
      await driver.mount(volume),
      () => driver.resize(volume, 2 * SIZE, { isUsed: true }),
    );

    await assert.rejects(driver.resize(volume, SIZE, { isUsed: true }), /while the volume is used/);
    assert.equal(await totalOf(driver, volume), 2 * SIZE);
  });
}
