/** A root file system of its own for a stopped container, in the place of whatever it was made of. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { exists, removeTree } from "#daemon/host/files.ts";
import type { CloneContext } from "./clone_context.ts";
import { isLifted, limitAgain, withoutLimit } from "./lifted_limit.ts";
import { partOf } from "./parts.ts";
import type { Fill } from "./sized.ts";

const freshOf = (directory: HostPath) => hostPath(`${directory}/rootfs.new`);

/** Callers hold the volume's lock; a crash leaves the old tree or the new one. */
export class RootTrees {
  readonly #ctx: CloneContext;

  constructor(ctx: CloneContext) {
    this.#ctx = ctx;
  }

  /** Fill a new tree, then let it take the place of the old one. It is hidden afterwards. */
  async replace(directory: HostPath, sizeBytes: number, fill: Fill): Promise<void> {
    if (sizeBytes > 0) return await this.#replaceFile(directory, sizeBytes, fill);
    // Both trees count until the old one is gone: for so long there is no limit.
    await withoutLimit(
      this.#ctx.deps.quotas,
      directory,
      () => this.#replaceFolder(directory, fill),
    );
  }

  async #replaceFile(directory: HostPath, sizeBytes: number, fill: Fill): Promise<void> {
    await using built = await this.#ctx.layers.parts.sized.build(sizeBytes, fill);
    await this.#ctx.mounts.hide(directory);
    await Deno.rename(built.image, partOf(directory, "plain").image);
    const pending = { step: "drop" } as const;
    await this.#ctx.layers.write(directory, { kind: "plain", lowers: [], pending });
    await this.#ctx.layers.load(directory); // Finishes the step.
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
    await this.#ctx.mounts.hide(directory);
    const pending = { step: "swap" } as const;
    await this.#ctx.layers.write(directory, { kind: "plain", lowers: [], pending });
    await this.#ctx.layers.load(directory); // Finishes the step.
    if (this.#ctx.deps.quotas !== undefined) await this.#ctx.deps.trash.idle();
  }

  /** Start of the daemon: finish or undo what was cut off, and limit the volume again. */
  async repair(directory: HostPath): Promise<void> {
    const { quotas, trash } = this.#ctx.deps;
    const isLimited = quotas !== undefined && await isLifted(directory);
    const fresh = freshOf(directory);
    const isHalf = await exists(fresh);
    // First finish the step: the old tree may be gone, and this one the only one.
    if (isLimited || isHalf) await this.#ctx.layers.load(directory);
    if (isHalf) await removeTree(fresh);
    if (!isLimited) return;
    await trash.idle();
    await limitAgain(quotas, directory);
  }
}
