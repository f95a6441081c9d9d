/** What lies below a container's upper: made longer by snapshots and copies, shorter where it got long. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { isEmptyDirectory } from "#daemon/host/files.ts";
import { copyTree, treeBytes } from "#daemon/storage/copy_tree.ts";
import type { Freezer, Swap } from "#daemon/storage/driver.ts";
import { requireSpace } from "#daemon/storage/space.ts";
import type { CloneContext } from "./clone_context.ts";
import type { Manifest } from "./manifest.ts";
import { DEPTH_MAX, lowersAbove, mergeLayers } from "./merge.ts";

/** One call at a time for each volume: callers hold its lock. */
export class Chains {
  readonly #ctx: CloneContext;

  constructor(ctx: CloneContext) {
    this.#ctx = ctx;
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
    await this.#ctx.layers.parts.show(directory, "overlay");
    if (await isEmptyDirectory(upper)) return manifest.lowers;
    const layer = `layers/${crypto.randomUUID()}`;
    const lowers = [layer, ...manifest.lowers];
    const isSized = await this.#ctx.layers.parts.sizeOf(directory, "overlay") > 0;
    if (running !== undefined || isSized) {
      if (running === undefined) await this.#ctx.mounts.hide(directory);
      await this.#copyUpper(upper, layer, running);
    }
    if (running !== undefined) return lowers;
    await this.#ctx.mounts.hide(directory);
    const pending = isSized ? { step: "reset" } as const : { step: "seal", layer } as const;
    await this.#ctx.layers.write(directory, { kind: "overlay", lowers, pending });
    await this.#ctx.layers.load(directory); // Finishes the step.
    await this.#ctx.mounts.mount(directory);
    return lowers;
  }

  async #copyUpper(upper: HostPath, layer: string, running?: Freezer): Promise<void> {
    await requireSpace(
      this.#ctx.deps.root,
      await treeBytes(upper),
      "copy the changes of the instance",
    );
    await this.#ctx.layers.build(layer, async (path) => {
      const target = hostPath(`${path}/upper`);
      await Deno.mkdir(target, { recursive: true, mode: 0o755 });
      const copy = () => copyTree(upper, target);
      await (running === undefined ? copy() : running.freeze(copy));
    });
  }

  /** A chain that has become long as one layer. @see merge.ts */
  async shorten(directory: HostPath, snapshot: HostPath): Promise<Swap | undefined> {
    const { lowers } = await this.#ctx.layers.load(snapshot);
    if (lowers.length < DEPTH_MAX) return undefined;
    const merged = await mergeLayers(this.#ctx.layers, hostPath(`${snapshot}/rootfs`));
    return async () => {
      try {
        await this.#replaceLowers(directory, lowers, merged);
      } finally {
        await this.#ctx.layers.collect([merged]);
      }
    };
  }

  /** A running one keeps what it is mounted from; one that was restored meanwhile is made of others. */
  async #replaceLowers(
    directory: HostPath,
    lowers: readonly string[],
    merged: string,
  ): Promise<void> {
    const manifest = await this.#ctx.layers.load(directory);
    const above = lowersAbove(manifest.lowers, lowers);
    if (above === undefined || this.#ctx.mounts.isRunning(directory)) return;
    await this.#ctx.mounts.hide(directory);
    await this.#ctx.layers.write(directory, { ...manifest, lowers: [...above, merged] });
    await this.#ctx.mounts.mount(directory);
    await this.#ctx.layers.collect(lowers);
  }
}
