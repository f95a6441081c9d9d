/** What lies below a container's upper: made longer by snapshots and copies, shorter where it got long. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { copyTree, treeBytes } from "#daemon/storage/copy_tree.ts";
import type { Freezer, Swap } from "#daemon/storage/driver.ts";
import { isEmptyDirectory } from "#daemon/storage/files.ts";
import { requireSpace } from "#daemon/storage/space.ts";
import type { Layers } from "./layers.ts";
import type { Manifest } from "./manifest.ts";
import { DEPTH_MAX, lowersAbove, mergeLayers } from "./merge.ts";
import type { RootMounts } from "./root_mounts.ts";

export class Chains {
  readonly #root: HostPath;
  readonly #layers: Layers;
  readonly #mounts: RootMounts;

  constructor(root: HostPath, layers: Layers, mounts: RootMounts) {
    this.#root = root;
    this.#layers = layers;
    this.#mounts = mounts;
  }

  /**
   * Make the present state a chain of layers that others can share, and return it. Stopped: the upper
   * itself becomes a layer. Running, or on a file system of its own: a copy of it, if it runs taken while
   * it is frozen.
   */
  async seal(
    directory: HostPath,
    manifest: Manifest,
    running?: Freezer,
  ): Promise<readonly string[]> {
    const upper = hostPath(`${directory}/overlay/upper`);
    await this.#layers.parts.show(directory, "overlay");
    if (await isEmptyDirectory(upper)) return manifest.lowers;
    const layer = `layers/${crypto.randomUUID()}`;
    const lowers = [layer, ...manifest.lowers];
    const isSized = await this.#layers.parts.sizeOf(directory, "overlay") > 0;
    if (running !== undefined || isSized) {
      if (running === undefined) await this.#mounts.hide(directory);
      await this.#copyUpper(upper, layer, running);
    }
    if (running !== undefined) return lowers;
    await this.#mounts.hide(directory);
    const pending = isSized ? { step: "reset" } as const : { step: "seal", layer } as const;
    await this.#layers.write(directory, { kind: "overlay", lowers, pending });
    await this.#layers.load(directory); // Finishes the step.
    await this.#mounts.mount(directory);
    return lowers;
  }

  async #copyUpper(upper: HostPath, layer: string, running?: Freezer): Promise<void> {
    await requireSpace(this.#root, await treeBytes(upper), "copy the changes of the instance");
    await this.#layers.build(layer, async (path) => {
      const target = hostPath(`${path}/upper`);
      await Deno.mkdir(target, { recursive: true, mode: 0o755 });
      const copy = () => copyTree(upper, target);
      await (running === undefined ? copy() : running.freeze(copy));
    });
  }

  /** A chain that has become long as one layer. @see merge.ts */
  async shorten(directory: HostPath, snapshot: HostPath): Promise<Swap | undefined> {
    const { lowers } = await this.#layers.load(snapshot);
    if (lowers.length < DEPTH_MAX) return undefined;
    const merged = await mergeLayers(this.#layers, hostPath(`${snapshot}/rootfs`));
    return async () => {
      try {
        await this.#replaceLowers(directory, lowers, merged);
      } finally {
        await this.#layers.collect([merged]);
      }
    };
  }

  /** A running one keeps what it is mounted from; one that was restored meanwhile is made of others. */
  async #replaceLowers(
    directory: HostPath,
    lowers: readonly string[],
    merged: string,
  ): Promise<void> {
    const manifest = await this.#layers.load(directory);
    const above = lowersAbove(manifest.lowers, lowers);
    if (above === undefined || this.#mounts.isRunning(directory)) return;
    await this.#mounts.hide(directory);
    await this.#layers.write(directory, { ...manifest, lowers: [...above, merged] });
    await this.#mounts.mount(directory);
    await this.#layers.collect(lowers);
  }
}
