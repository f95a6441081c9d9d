/** Unpacked images: datasets with a snapshot that containers are clones of. */
import type { HostPath } from "#base/brand.ts";
import { LockTable } from "#base/lock.ts";
import type { VolumeMounts } from "#daemon/storage/mounts.ts";
import type { Buried } from "./buried.ts";
import { droppedImage, imageDataset, READONLY } from "./names.ts";
import { asOptions, filesystemProperties, type Options } from "./properties.ts";
import { findDataset, mountDataset, zfs } from "./tool.ts";

export interface ImageDeps {
  readonly pool: string;
  readonly defaults: Options;
  readonly volumes: VolumeMounts;
  readonly buried: Buried;
}

/** Each image is unpacked by one at a time. */
export class ZfsImages {
  readonly #deps: ImageDeps;
  readonly #locks = new LockTable();

  constructor(deps: ImageDeps) {
    this.#deps = deps;
  }

  /** What a container is cloned from. */
  origin(fingerprint: string): string {
    return `${imageDataset(this.#deps.pool, fingerprint)}@${READONLY}`;
  }

  /** One that was dropped and has clones comes back as it was. */
  async ensure(fingerprint: string, unpack: (directory: HostPath) => Promise<void>): Promise<void> {
    using _turn = await this.#locks.acquire(fingerprint);
    if (await findDataset(this.origin(fingerprint)) !== undefined) return;
    const { pool, defaults, volumes, buried } = this.#deps;
    const image = imageDataset(pool, fingerprint);
    const dropped = droppedImage(pool, fingerprint);
    if (await findDataset(`${dropped}@${READONLY}`) !== undefined) {
      return void await zfs("rename", dropped, image);
    }
    await buried.build(image, async (dataset) => {
      await zfs("create", ...asOptions(filesystemProperties(0, defaults)), dataset);
      await volumes.within((target) => mountDataset(dataset, target), unpack);
      await zfs("snapshot", `${dataset}@${READONLY}`);
      await zfs("set", "readonly=on", dataset);
    });
  }

  async has(fingerprint: string): Promise<boolean> {
    return await findDataset(imageDataset(this.#deps.pool, fingerprint)) !== undefined;
  }

  async drop(fingerprint: string): Promise<void> {
    using _turn = await this.#locks.acquire(fingerprint);
    const { pool, buried } = this.#deps;
    const image = imageDataset(pool, fingerprint);
    if (await findDataset(image) === undefined) return;
    await buried.bury(image, droppedImage(pool, fingerprint));
  }

  /** @param all Names of the datasets of the pool. */
  async dropUnknown(
    all: Iterable<string>,
    exists: (fingerprint: string) => Promise<boolean>,
  ): Promise<void> {
    const parent = imageDataset(this.#deps.pool, "");
    for (const name of all) {
      if (!name.startsWith(parent)) continue;
      const fingerprint = name.slice(parent.length);
      if (!await exists(fingerprint)) await this.drop(fingerprint);
    }
  }
}
