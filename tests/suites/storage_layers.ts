/** Cases of the storage suite about what lies below a volume: made plain, made short, and the same to see. */
import type { StorageDriver, Swap } from "#daemon/storage/driver.ts";
import assert from "node:assert/strict";
import { exists } from "#daemon/host/files.ts";
import { container, fromImage, read, rootfsOf, write } from "./storage_tools.ts";

type Case = (place: { readonly driver: StorageDriver }) => Promise<void>;

export const LAYER_CASES: Readonly<Record<string, Case>> = {
  async "flattening changes nothing that can be seen"({ driver }) {
    const rootfs = await fromImage(driver, container("a"));
    await write(rootfs, "value", "1");
    await driver.snapshot(container("a"), "s1");

    await driver.flatten(container("a"));

    assert.equal(await read(await rootfsOf(driver, container("a")), "value"), "1");
    assert.equal(await read(await rootfsOf(driver, container("a")), "bin/tool"), "image");
    await driver.restore(container("a"), "s1");
    assert.equal(await read(await rootfsOf(driver, container("a")), "value"), "1");
  },

  async "a chain of snapshots that got long is shortened, and shows the same"({ driver }) {
    const rootfs = await fromImage(driver, container("a"));
    const swaps: Swap[] = [];
    for (let number = 0; number < 26; number++) {
      await write(rootfs, `f${number}`, `${number}`);
      await driver.snapshot(container("a"), `s${number}`);
      const swap = await driver.shorten?.(container("a"), `s${number}`);
      if (swap !== undefined) swaps.push(swap);
    }
    await write(rootfs, "f3", "changed");
    await Deno.remove(`${rootfs}/f4`);
    // An older one finds the chain longer than it was, a later one finds it replaced.
    for (const swap of swaps) await swap();

    await driver.snapshot(container("a"), "after");
    assert.equal(await driver.shorten?.(container("a"), "after"), undefined);
    assert.equal(await read(rootfs, "f0"), "0");
    assert.equal(await read(rootfs, "f3"), "changed");
    assert.equal(await exists(`${rootfs}/f4`), false);
    assert.equal(await read(rootfs, "bin/tool"), "image");
    for (let number = 0; number < 26; number += 2) {
      await driver.removeSnapshot(container("a"), `s${number}`);
    }
    if (!driver.can.restoreOlder) return;
    await driver.restore(container("a"), "s3");
    const restored = await rootfsOf(driver, container("a"));
    assert.equal(await read(restored, "f3"), "3");
    assert.equal(await exists(`${restored}/f5`), false);
  },
};
