/** Snapshots of the containers of a `dir` pool: sealed layers, or trees of their own. */
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import { entries, exists, removeIfEmpty } from "#daemon/host/files.ts";
import type { Freezer, Swap } from "#daemon/storage/driver.ts";
import { copyMetadata } from "#daemon/storage/metadata_files.ts";
import type { Chains } from "./chains.ts";
import {
  type CloneContext,
  copyRootfs,
  directoryOf,
  discardClone,
  rootfsOf,
} from "./clone_context.ts";
import type { RootTrees } from "./root_trees.ts";

/** By the names of container and snapshot on disk. */
export class CloneSnapshots {
  readonly #ctx: CloneContext;
  readonly #chains: Chains;
  readonly #trees: RootTrees;

  constructor(ctx: CloneContext, parts: { readonly chains: Chains; readonly trees: RootTrees }) {
    this.#ctx = ctx;
    this.#chains = parts.chains;
    this.#trees = parts.trees;
  }

  async take(name: string, snapshot: string, running?: Freezer) {
    await using undo = new Undo();
    const manifest = await this.#ctx.layers.load(directoryOf(this.#ctx, name));
    const directory = directoryOf(this.#ctx, name, snapshot);
    if (await exists(directory)) {
      throw new Fault("conflict", `a snapshot "${snapshot}" of "${name}" exists already`);
    }
    await Deno.mkdir(`${directory}/rootfs`, { recursive: true, mode: 0o700 });
    undo.add("remove snapshot", () => this.remove(name, snapshot));
    await copyMetadata(directoryOf(this.#ctx, name), directory);
    if (manifest.kind === "plain") {
      await copyRootfs(
        this.#ctx,
        rootfsOf(this.#ctx, name),
        rootfsOf(this.#ctx, name, snapshot),
        running,
      );
      await this.#ctx.layers.write(directory, { kind: "plain", lowers: [] });
    } else {
      const lowers = await this.#chains.seal(directoryOf(this.#ctx, name), manifest, running);
      await this.#ctx.layers.write(directory, { kind: "overlay", lowers });
      await this.mount(name, snapshot);
    }
    undo.keep();
  }

  /** @see chains.ts */
  async shorten(name: string, snapshot: string): Promise<Swap | undefined> {
    return await this.#chains.shorten(
      directoryOf(this.#ctx, name),
      directoryOf(this.#ctx, name, snapshot),
    );
  }

  async restore(name: string, snapshot: string) {
    const directory = directoryOf(this.#ctx, name);
    const saved = await this.#ctx.layers.load(directoryOf(this.#ctx, name, snapshot));
    const before = await this.#ctx.layers.load(directory);
    const { parts } = this.#ctx.layers;
    if (saved.kind === "overlay") {
      await this.#ctx.mounts.hide(directory);
      const sizeBytes = before.kind === "plain" ? await parts.sizeOf(directory, "plain") : 0;
      await parts.makeUpper(directory, sizeBytes);
      const pending = { step: "reset" } as const;
      await this.#ctx.layers.write(directory, { kind: "overlay", lowers: saved.lowers, pending });
    } else {
      const rootfs = rootfsOf(this.#ctx, name, snapshot);
      const sizeBytes = await parts.sizeOf(directory, before.kind);
      await this.#trees.replace(
        directory,
        sizeBytes,
        (fresh) => copyRootfs(this.#ctx, rootfs, fresh),
      );
    }
    await this.#ctx.mounts.mount(directory);
    await this.#ctx.layers.collect(before.lowers);
  }

  async remove(name: string, snapshot: string) {
    await this.#ctx.mounts.hide(directoryOf(this.#ctx, name, snapshot));
    await discardClone(this.#ctx, directoryOf(this.#ctx, name, snapshot));
    await removeIfEmpty(this.#ctx.layers.at("containers-snapshots", name));
  }

  async rename(name: string, snapshot: string, newName: string) {
    const [from, to] = [
      directoryOf(this.#ctx, name, snapshot),
      directoryOf(this.#ctx, name, newName),
    ];
    if (await exists(to)) {
      throw new Fault("conflict", `a snapshot "${newName}" of "${name}" exists already`);
    }
    await this.#ctx.mounts.hide(directoryOf(this.#ctx, name, snapshot));
    await Deno.rename(from, to);
    this.#ctx.layers.users.rename(from, to);
    await this.mount(name, newName);
  }

  async list(name: string): Promise<string[]> {
    return await entries(this.#ctx.layers.at("containers-snapshots", name));
  }

  /** A snapshot of `source` as a snapshot of its copy `name`. */
  async copy(source: string, name: string, snapshot: string): Promise<void> {
    const manifest = await this.#ctx.layers.load(directoryOf(this.#ctx, source, snapshot));
    const directory = directoryOf(this.#ctx, name, snapshot);
    await Deno.mkdir(`${directory}/rootfs`, { recursive: true, mode: 0o700 });
    await copyMetadata(directoryOf(this.#ctx, source, snapshot), directory);
    if (manifest.kind === "plain") {
      await copyRootfs(
        this.#ctx,
        rootfsOf(this.#ctx, source, snapshot),
        rootfsOf(this.#ctx, name, snapshot),
      );
    }
    await this.#ctx.layers.write(directory, manifest);
    await this.mount(name, snapshot);
  }

  /** It is seen read-only; nothing is mounted for one that is a tree of its own. */
  async mount(name: string, snapshot: string): Promise<void> {
    await this.#ctx.mounts.mountSnapshot(directoryOf(this.#ctx, name, snapshot));
  }
}
