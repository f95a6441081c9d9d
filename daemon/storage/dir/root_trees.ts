/** A root file system of its own for a stopped container, in the place of whatever it was made of. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { exists, removeTree } from "#daemon/storage/files.ts";
import type { Layers, LayersDeps } from "./layers.ts";
import { isLifted, limitAgain, withoutLimit } from "./lifted_limit.ts";
import { partOf } from "./parts.ts";
import type { RootMounts } from "./root_mounts.ts";
import type { Fill } from "./sized.ts";

const freshOf = (directory: HostPath) => hostPath(`${directory}/rootfs.new`);

export class RootTrees {
  readonly #deps: LayersDeps;
  readonly #layers: Layers;
  readonly #mounts: RootMounts;

  constructor(deps: LayersDeps, layers: Layers, mounts: RootMounts) {
    this.#deps = deps;
    this.#layers = layers;
    this.#mounts = mounts;
  }

  /** Fill a new tree, then let it take the place of the old one. It is hidden afterwards. */
  async replace(directory: HostPath, sizeBytes: number, fill: Fill): Promise<void> {
    if (sizeBytes > 0) return await this.#replaceFile(directory, sizeBytes, fill);
    // Both trees count until the old one is gone: for so long there is no limit.
    await withoutLimit(
      this.#deps.quotas,
      directory,
      () => this.#replaceFolder(directory, fill),
    );
  }

  async #replaceFile(directory: HostPath, sizeBytes: number, fill: Fill): Promise<void> {
    await using built = await this.#layers.parts.sized.build(sizeBytes, fill);
    await this.#mounts.hide(directory);
    await Deno.rename(built.image, partOf(directory, "plain").image);
    const pending = { step: "drop" } as const;
    await this.#layers.write(directory, { kind: "plain", lowers: [], pending });
    await this.#layers.load(directory); // Finishes the step.
  }

  async #replaceFolder(directory: HostPath, fill: Fill): Promise<void> {
    const fresh = freshOf(directory);
    try {
      await removeTree(fresh);
      await Deno.mkdir(fresh, { mode: 0o755 });
      await fill(fresh);
    } catch (error) {
      await removeTree(fresh);
      throw error;
    }
    await this.#mounts.hide(directory);
    const pending = { step: "swap" } as const;
    await this.#layers.write(directory, { kind: "plain", lowers: [], pending });
    await this.#layers.load(directory); // Finishes the step.
    if (this.#deps.quotas !== undefined) await this.#deps.trash.idle();
  }

  /** Start of the daemon: finish or undo what was cut off, and limit the volume again. */
  async repair(directory: HostPath): Promise<void> {
    const { quotas, trash } = this.#deps;
    const isLimited = quotas !== undefined && await isLifted(directory);
    const fresh = freshOf(directory);
    const isHalf = await exists(fresh);
    // First finish the step: the old tree may be gone, and this one the only one.
    if (isLimited || isHalf) await this.#layers.load(directory);
    if (isHalf) await removeTree(fresh);
    if (!isLimited) return;
    await trash.idle();
    await limitAgain(quotas, directory);
  }
}
