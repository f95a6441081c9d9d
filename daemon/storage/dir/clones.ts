/**
 * Containers of a `dir` pool: plain directories, cloned instantly by overlays where the kernel can. Ids
 * are never shifted on disk; the mounts map them.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { LockTable } from "#base/lock.ts";
import { Undo } from "#base/undo.ts";
import { entries, exists, removeIfEmpty } from "#daemon/host/files.ts";
import { copyTree, treeBytes } from "#daemon/storage/copy_tree.ts";
import type { CopyOptions } from "#daemon/storage/driver.ts";
import { copyMetadata } from "#daemon/storage/metadata_files.ts";
import type { RunningRoot, RunOptions } from "#daemon/storage/service.ts";
import { requireSpace } from "#daemon/storage/space.ts";
import { Chains } from "./chains.ts";
import {
  type CloneContext,
  cloneContext,
  type ClonesDeps,
  copyRootfs,
  directoryOf,
  discardClone,
  rootfsOf,
} from "./clone_context.ts";
import { CloneSizes } from "./clone_sizes.ts";
import { CloneSnapshots } from "./clone_snapshots.ts";
import { RootTrees } from "./root_trees.ts";
import type { Fill } from "./sized.ts";

/** By their names on disk. */
export class Clones {
  readonly snapshots: CloneSnapshots;
  readonly sizes: CloneSizes;
  readonly #ctx: CloneContext;
  readonly #chains: Chains;
  readonly #trees: RootTrees;
  readonly #locks = new LockTable();

  constructor(deps: ClonesDeps) {
    this.#ctx = cloneContext(deps);
    this.#chains = new Chains(this.#ctx);
    this.#trees = new RootTrees(this.#ctx);
    this.snapshots = new CloneSnapshots(this.#ctx, { chains: this.#chains, trees: this.#trees });
    this.sizes = new CloneSizes(this.#ctx);
  }

  #at(name: string, snapshot?: string): HostPath {
    return directoryOf(this.#ctx, name, snapshot);
  }

  // --- images ---

  async ensureImage(fingerprint: string, unpack: (directory: HostPath) => Promise<void>) {
    using _turn = await this.#locks.acquire(`image ${fingerprint}`);
    const target = this.#ctx.layers.at("images", fingerprint);
    if (await exists(target)) return;
    await this.#ctx.deps.trash.build(target, async (path) => {
      await Deno.mkdir(path, { mode: 0o700 });
      await unpack(path);
    });
  }

  hasImage(fingerprint: string): Promise<boolean> {
    return exists(this.#ctx.layers.at("images", fingerprint));
  }

  async dropImage(fingerprint: string) {
    using _turn = await this.#locks.acquire(`image ${fingerprint}`);
    await this.#ctx.layers.collect([`images/${fingerprint}`]);
  }

  // --- create ---

  /** @param sizeBytes limited by a file; 0: not. */
  async createEmpty(name: string, sizeBytes: number) {
    await using undo = new Undo();
    const directory = await this.#newDirectory(name, undo);
    await this.#makePlain(directory, sizeBytes, () => Promise.resolve());
    await this.mount(name);
    undo.keep();
  }

  async createFromImage(name: string, fingerprint: string, sizeBytes: number) {
    await using undo = new Undo();
    const directory = await this.#newDirectory(name, undo);
    const image = this.#ctx.layers.at("images", fingerprint);
    await copyMetadata(image, directory);
    if (this.#ctx.deps.clone === "overlay") {
      await this.#makeOverlay(directory, [`images/${fingerprint}`], sizeBytes);
    } else {
      const rootfs = hostPath(`${image}/rootfs`);
      await this.#makePlain(directory, sizeBytes, (path) => copyRootfs(this.#ctx, rootfs, path));
    }
    await this.mount(name);
    undo.keep();
  }

  async #makeOverlay(directory: HostPath, lowers: readonly string[], sizeBytes: number) {
    await Deno.mkdir(`${directory}/rootfs`, { mode: 0o755 });
    await this.#ctx.layers.parts.makeUpper(directory, sizeBytes);
    await this.#ctx.layers.write(directory, { kind: "overlay", lowers });
  }

  async #makePlain(directory: HostPath, sizeBytes: number, fill: Fill) {
    await this.#ctx.layers.parts.makeRootfs(directory, sizeBytes, fill);
    await this.#ctx.layers.write(directory, { kind: "plain", lowers: [] });
  }

  async copy(name: string, source: string, options: CopyOptions & { readonly sizeBytes: number }) {
    await using undo = new Undo();
    const { snapshot, running, sizeBytes } = options;
    const from = await this.#ctx.layers.load(this.#at(source, snapshot));
    const directory = await this.#newDirectory(name, undo);
    const snapshots = options.snapshots ??
      (options.withSnapshots === true ? await this.snapshots.list(source) : []);
    for (const one of snapshots) await this.snapshots.copy(source, name, one);
    await copyMetadata(this.#at(source, snapshot), directory);
    if (from.kind === "plain") {
      const rootfs = rootfsOf(this.#ctx, source, snapshot);
      await this.#makePlain(
        directory,
        sizeBytes,
        (path) => copyRootfs(this.#ctx, rootfs, path, running),
      );
    } else {
      const lowers = snapshot === undefined
        ? await this.#chains.seal(this.#at(source), from, running)
        : from.lowers;
      await this.#makeOverlay(directory, lowers, sizeBytes);
    }
    await this.mount(name);
    undo.keep();
  }

  async #newDirectory(name: string, undo: Undo): Promise<HostPath> {
    const directory = this.#at(name);
    if (await exists(directory)) {
      throw new Fault("conflict", `a volume "${name}" exists already on this storage pool`);
    }
    await Deno.mkdir(directory, { recursive: true, mode: 0o711 });
    undo.add("remove volume", () => this.remove(name));
    return directory;
  }

  // --- remove, rename, flatten ---

  async remove(name: string) {
    for (const snapshot of await this.snapshots.list(name)) {
      await this.snapshots.remove(name, snapshot);
    }
    await removeIfEmpty(this.#ctx.layers.at("containers-snapshots", name));
    await this.unmount(name);
    await discardClone(this.#ctx, this.#at(name));
  }

  async rename(name: string, newName: string) {
    await using undo = new Undo();
    if (await exists(this.#at(newName))) {
      throw new Fault("conflict", `a volume "${newName}" exists already on this storage pool`);
    }
    const snapshots = await this.snapshots.list(name);
    await this.unmount(name);
    undo.add("show volume again", () => this.mount(name));
    await Deno.rename(this.#at(name), this.#at(newName));
    undo.add("rename back", () => Deno.rename(this.#at(newName), this.#at(name)));
    if (snapshots.length > 0) {
      const folder = (one: string) => this.#ctx.layers.at("containers-snapshots", one);
      await Deno.rename(folder(name), folder(newName));
    }
    const { users } = this.#ctx.layers;
    users.rename(this.#at(name), this.#at(newName));
    for (const one of snapshots) {
      users.rename(this.#at(name, one), this.#at(newName, one));
    }
    undo.keep();
    await this.mount(newName);
  }

  /** A tree of its own, which shares nothing with its image or with others. @throws {Fault} no_space */
  async flatten(name: string) {
    const directory = this.#at(name);
    const manifest = await this.#ctx.layers.load(directory);
    if (manifest.kind === "plain") return;
    await this.#ctx.mounts.mount(directory);
    const rootfs = rootfsOf(this.#ctx, name);
    const bytes = await treeBytes(rootfs);
    const limitBytes = await this.sizes.limitOf(name);
    if (limitBytes > 0 && bytes > limitBytes) {
      throw new Fault(
        "no_space",
        `"${name}" can't be made a tree of its own: its size is too small`,
        {
          hint:
            `With what it shares with its image it has ${bytes} bytes: give its root a larger size.`,
        },
      );
    }
    const sizeBytes = this.#ctx.deps.quotas === undefined ? limitBytes : 0;
    await this.#trees.replace(directory, sizeBytes, async (fresh) => {
      await requireSpace(this.#ctx.deps.root, bytes, `make "${name}" a tree of its own`);
      await copyTree(rootfs, fresh);
    });
    await this.#ctx.layers.collect(manifest.lowers);
  }

  // --- mounts ---

  async present(name: string, options: RunOptions): Promise<RunningRoot> {
    if (options.plainRoot) await this.flatten(name);
    return await this.#ctx.mounts.present(this.#at(name), options);
  }

  adopt(name: string): void {
    this.#ctx.mounts.adopt(this.#at(name));
  }

  async mount(name: string) {
    await this.#ctx.mounts.mount(this.#at(name));
  }

  /** It runs no more. */
  async settle(name: string) {
    await this.#ctx.mounts.settle(this.#at(name));
  }

  isRunning(name: string): boolean {
    return this.#ctx.mounts.isRunning(this.#at(name));
  }

  async mountView(name: string, target: HostPath): Promise<void> {
    await this.#ctx.mounts.mountView(this.#at(name), target);
  }

  async unmount(name: string) {
    await this.#ctx.mounts.unmount(this.#at(name));
    for (const snapshot of await this.snapshots.list(name)) {
      await this.#ctx.mounts.hide(this.#at(name, snapshot));
    }
  }

  // --- start and end of the daemon ---

  async open() {
    for (const name of await entries(this.#ctx.layers.at("containers"))) {
      await this.#ctx.layers.learn(this.#at(name));
      await this.#trees.repair(this.#at(name));
    }
    for (const name of await entries(this.#ctx.layers.at("containers-snapshots"))) {
      for (const snapshot of await this.snapshots.list(name)) {
        await this.#ctx.layers.learn(this.#at(name, snapshot));
      }
    }
    const layers = (await entries(this.#ctx.layers.at("layers"))).map((id) => `layers/${id}`);
    const images = (await entries(this.#ctx.layers.at("images"))).map((id) => `images/${id}`);
    await this.#ctx.layers.collect([...layers, ...images]);
  }

  async close() {
    for (const name of await entries(this.#ctx.layers.at("containers"))) await this.unmount(name);
  }
}
