/** How large the containers of a `dir` pool are and may be. */
import { hostPath } from "#base/brand.ts";
import { treeBytes } from "#daemon/storage/copy_tree.ts";
import { type CloneContext, copyRootfs, directoryOf, rootfsOf } from "./clone_context.ts";
import { partOf } from "./parts.ts";
import { requireRoom } from "./project_quota.ts";
import { cannotResizeUsed, type Fill } from "./sized.ts";

/** By the names of containers on disk. */
export class CloneSizes {
  readonly #ctx: CloneContext;

  constructor(ctx: CloneContext) {
    this.#ctx = ctx;
  }

  /** Bytes of what is its own: of a layer that a snapshot sealed, that snapshot's. */
  async usage(name: string, snapshot?: string): Promise<number> {
    const manifest = await this.#ctx.layers.load(directoryOf(this.#ctx, name, snapshot));
    if (snapshot === undefined) {
      await this.#ctx.layers.parts.show(directoryOf(this.#ctx, name), manifest.kind);
    }
    if (manifest.kind === "plain") return await treeBytes(rootfsOf(this.#ctx, name, snapshot));
    if (snapshot === undefined) {
      return await treeBytes(hostPath(`${directoryOf(this.#ctx, name)}/overlay/upper`));
    }
    const [top] = manifest.lowers;
    return top?.startsWith("layers/") ? await treeBytes(this.#ctx.layers.at(top, "upper")) : 0;
  }

  /** Bytes that it is limited to; 0: none. */
  async limitOf(name: string): Promise<number> {
    const directory = directoryOf(this.#ctx, name);
    const { quotas } = this.#ctx.deps;
    if (quotas !== undefined) return (await quotas.show(directory)).limitBytes;
    const { kind } = await this.#ctx.layers.load(directory);
    return await this.#ctx.layers.parts.sizeOf(directory, kind);
  }

  /** Limit it by a file, or no more (0). @throws {Fault} bad_request if it must be stopped for that */
  async resize(name: string, sizeBytes: number): Promise<void> {
    const directory = directoryOf(this.#ctx, name);
    const { kind } = await this.#ctx.layers.load(directory);
    const before = await this.limitOf(name);
    if (before === 0 && sizeBytes === 0) return;
    const { sized } = this.#ctx.layers.parts;
    const part = partOf(directory, kind);
    if (this.#ctx.mounts.isRunning(directory)) {
      if (before === 0 || sizeBytes === 0) throw cannotResizeUsed();
      return await sized.resize(part, sizeBytes, { isUsed: true });
    }
    await this.#ctx.mounts.hide(directory);
    await this.#ctx.layers.parts.show(directory, kind);
    const copy: Fill = (path) => copyRootfs(this.#ctx, part.path, path);
    try {
      if (before === 0) requireRoom(await treeBytes(part.path), sizeBytes);
      if (before === 0) await sized.fill(part, sizeBytes, copy);
      else if (sizeBytes === 0) await sized.free(part, copy);
      else await sized.resize(part, sizeBytes, { isUsed: false });
    } finally {
      await this.#ctx.mounts.settle(directory);
    }
  }
}
