/**
 * Containers of a `dir` pool: plain directories, cloned instantly by overlays where the kernel can. Ids
 * are never shifted on disk; the mounts map them.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { LockTable } from "#base/lock.ts";
import { Undo } from "#base/undo.ts";
import { copyTree, treeBytes } from "#daemon/storage/copy_tree.ts";
import type { CopyOptions, Freezer, Swap } from "#daemon/storage/driver.ts";
import { copyMetadata, entries, exists, removeIfEmpty } from "#daemon/storage/files.ts";
import type { RunningRoot, RunOptions } from "#daemon/storage/service.ts";
import { requireSpace } from "#daemon/storage/space.ts";
import type { UserNamespaces } from "#daemon/storage/user_namespaces.ts";
import { Chains } from "./chains.ts";
import { Layers, type LayersDeps } from "./layers.ts";
import { partOf } from "./parts.ts";
import { requireRoom } from "./project_quota.ts";
import { RootMounts } from "./root_mounts.ts";
import { RootTrees } from "./root_trees.ts";
import { cannotResizeUsed, type Fill } from "./sized.ts";

export interface ClonesDeps extends LayersDeps {
  readonly namespaces: UserNamespaces;
  /** Can this file system carry idmapped overlays (probe.ts), and does the pool want them? */
  readonly clone: "overlay" | "copy" | "reflink";
}

/** Volumes by their names on disk. */
export class Clones {
  readonly #deps: ClonesDeps;
  readonly #layers: Layers;
  readonly #mounts: RootMounts;
  readonly #chains: Chains;
  readonly #trees: RootTrees;
  readonly #locks = new LockTable();

  constructor(deps: ClonesDeps) {
    this.#deps = deps;
    this.#layers = new Layers(deps);
    this.#mounts = new RootMounts(this.#layers, deps.namespaces);
    this.#chains = new Chains(deps.root, this.#layers, this.#mounts);
    this.#trees = new RootTrees(deps, this.#layers, this.#mounts);
  }

  directory(name: string, snapshot?: string): HostPath {
    return snapshot === undefined
      ? this.#layers.at("containers", name)
      : this.#layers.at("containers-snapshots", name, snapshot);
  }

  #rootfs(name: string, snapshot?: string): HostPath {
    return hostPath(`${this.directory(name, snapshot)}/rootfs`);
  }

  // --- images ---

  async ensureImage(fingerprint: string, unpack: (directory: HostPath) => Promise<void>) {
    using _turn = await this.#locks.acquire(`image ${fingerprint}`);
    const target = this.#layers.at("images", fingerprint);
    if (await exists(target)) return;
    await this.#deps.trash.build(target, async (path) => {
      await Deno.mkdir(path, { mode: 0o700 });
      await unpack(path);
    });
  }

  hasImage(fingerprint: string): Promise<boolean> {
    return exists(this.#layers.at("images", fingerprint));
  }

  async dropImage(fingerprint: string) {
    using _turn = await this.#locks.acquire(`image ${fingerprint}`);
    await this.#layers.collect([`images/${fingerprint}`]);
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
    const image = this.#layers.at("images", fingerprint);
    await copyMetadata(image, directory);
    if (this.#deps.clone === "overlay") {
      await this.#makeOverlay(directory, [`images/${fingerprint}`], sizeBytes);
    } else {
      const rootfs = hostPath(`${image}/rootfs`);
      await this.#makePlain(directory, sizeBytes, (path) => this.#copyAll(rootfs, path));
    }
    await this.mount(name);
    undo.keep();
  }

  async #makeOverlay(directory: HostPath, lowers: readonly string[], sizeBytes: number) {
    await Deno.mkdir(`${directory}/rootfs`, { mode: 0o755 });
    await this.#layers.parts.makeUpper(directory, sizeBytes);
    await this.#layers.write(directory, { kind: "overlay", lowers });
  }

  async #makePlain(directory: HostPath, sizeBytes: number, fill: Fill) {
    await this.#layers.parts.makeRootfs(directory, sizeBytes, fill);
    await this.#layers.write(directory, { kind: "plain", lowers: [] });
  }

  async copy(name: string, source: string, options: CopyOptions & { readonly sizeBytes: number }) {
    await using undo = new Undo();
    const { snapshot, running, sizeBytes } = options;
    const from = await this.#layers.load(this.directory(source, snapshot));
    const directory = await this.#newDirectory(name, undo);
    const snapshots = options.snapshots ??
      (options.withSnapshots === true ? await this.listSnapshots(source) : []);
    for (const one of snapshots) await this.#copySnapshot(source, name, one);
    await copyMetadata(this.directory(source, snapshot), directory);
    if (from.kind === "plain") {
      const rootfs = this.#rootfs(source, snapshot);
      await this.#makePlain(directory, sizeBytes, (path) => this.#copyAll(rootfs, path, running));
    } else {
      const lowers = snapshot === undefined
        ? await this.#chains.seal(this.directory(source), from, running)
        : from.lowers;
      await this.#makeOverlay(directory, lowers, sizeBytes);
    }
    await this.mount(name);
    undo.keep();
  }

  /** A snapshot of `source` as a snapshot of its copy `name`. */
  async #copySnapshot(source: string, name: string, snapshot: string): Promise<void> {
    const manifest = await this.#layers.load(this.directory(source, snapshot));
    const directory = this.directory(name, snapshot);
    await Deno.mkdir(`${directory}/rootfs`, { recursive: true, mode: 0o700 });
    await copyMetadata(this.directory(source, snapshot), directory);
    if (manifest.kind === "plain") {
      await this.#copyAll(this.#rootfs(source, snapshot), this.#rootfs(name, snapshot));
    }
    await this.#layers.write(directory, manifest);
    await this.mountSnapshot(name, snapshot);
  }

  async #newDirectory(name: string, undo: Undo): Promise<HostPath> {
    const directory = this.directory(name);
    if (await exists(directory)) {
      throw new Fault("conflict", `a volume "${name}" exists already on this storage pool`);
    }
    await Deno.mkdir(directory, { recursive: true, mode: 0o711 });
    undo.add("remove volume", () => this.remove(name));
    return directory;
  }

  async #copyAll(source: HostPath, target: HostPath, running?: Freezer): Promise<void> {
    if (this.#deps.clone !== "reflink") {
      await requireSpace(this.#deps.root, await treeBytes(source), "copy the root file system");
    }
    const reflink = this.#deps.clone === "reflink" ? "always" : "auto";
    const copy = () => copyTree(source, target, { reflink });
    await (running === undefined ? copy() : running.freeze(copy));
  }

  // --- remove, rename ---

  async remove(name: string) {
    for (const snapshot of await this.listSnapshots(name)) {
      await this.removeSnapshot(name, snapshot);
    }
    await removeIfEmpty(this.#layers.at("containers-snapshots", name));
    await this.unmount(name);
    await this.#forget(this.directory(name));
  }

  async rename(name: string, newName: string) {
    await using undo = new Undo();
    if (await exists(this.directory(newName))) {
      throw new Fault("conflict", `a volume "${newName}" exists already on this storage pool`);
    }
    const snapshots = await this.listSnapshots(name);
    await this.unmount(name);
    undo.add("show volume again", () => this.mount(name));
    await Deno.rename(this.directory(name), this.directory(newName));
    undo.add("rename back", () => Deno.rename(this.directory(newName), this.directory(name)));
    if (snapshots.length > 0) {
      const folder = (one: string) => this.#layers.at("containers-snapshots", one);
      await Deno.rename(folder(name), folder(newName));
    }
    const { users } = this.#layers;
    users.rename(this.directory(name), this.directory(newName));
    for (const one of snapshots) {
      users.rename(this.directory(name, one), this.directory(newName, one));
    }
    undo.keep();
    await this.mount(newName);
  }

  // --- mounts ---

  async present(name: string, options: RunOptions): Promise<RunningRoot> {
    if (options.plainRoot) await this.flatten(name);
    return await this.#mounts.present(this.directory(name), options);
  }

  adopt(name: string): void {
    this.#mounts.adopt(this.directory(name));
  }

  async mount(name: string) {
    await this.#mounts.mount(this.directory(name));
  }

  async #hide(name: string): Promise<void> {
    await this.#mounts.hide(this.directory(name));
  }

  /** It runs no more. */
  async settle(name: string) {
    await this.#hide(name);
    await this.mount(name);
  }

  isRunning(name: string): boolean {
    return this.#mounts.isRunning(this.directory(name));
  }

  async mountSnapshot(name: string, snapshot: string): Promise<void> {
    await this.#mounts.mountSnapshot(this.directory(name, snapshot));
  }

  async mountView(name: string, target: HostPath): Promise<void> {
    await this.#mounts.mountView(this.directory(name), target);
  }

  async unmount(name: string) {
    await this.#mounts.unmount(this.directory(name));
    for (const snapshot of await this.listSnapshots(name)) {
      await this.#mounts.hide(this.directory(name, snapshot));
    }
  }

  // --- snapshots ---

  async snapshot(name: string, snapshot: string, running?: Freezer) {
    await using undo = new Undo();
    const manifest = await this.#layers.load(this.directory(name));
    const directory = this.directory(name, snapshot);
    if (await exists(directory)) {
      throw new Fault("conflict", `a snapshot "${snapshot}" of "${name}" exists already`);
    }
    await Deno.mkdir(`${directory}/rootfs`, { recursive: true, mode: 0o700 });
    undo.add("remove snapshot", () => this.removeSnapshot(name, snapshot));
    await copyMetadata(this.directory(name), directory);
    if (manifest.kind === "plain") {
      await this.#copyAll(this.#rootfs(name), this.#rootfs(name, snapshot), running);
      await this.#layers.write(directory, { kind: "plain", lowers: [] });
    } else {
      const lowers = await this.#chains.seal(this.directory(name), manifest, running);
      await this.#layers.write(directory, { kind: "overlay", lowers });
      await this.mountSnapshot(name, snapshot);
    }
    undo.keep();
  }

  /** @see chains.ts */
  async shorten(name: string, snapshot: string): Promise<Swap | undefined> {
    return await this.#chains.shorten(this.directory(name), this.directory(name, snapshot));
  }

  async restore(name: string, snapshot: string) {
    const directory = this.directory(name);
    const saved = await this.#layers.load(this.directory(name, snapshot));
    const before = await this.#layers.load(directory);
    const { parts } = this.#layers;
    if (saved.kind === "overlay") {
      await this.#hide(name);
      const sizeBytes = before.kind === "plain" ? await parts.sizeOf(directory, "plain") : 0;
      await parts.makeUpper(directory, sizeBytes);
      const pending = { step: "reset" } as const;
      await this.#layers.write(directory, { kind: "overlay", lowers: saved.lowers, pending });
    } else {
      const rootfs = this.#rootfs(name, snapshot);
      const sizeBytes = await parts.sizeOf(directory, before.kind);
      await this.#trees.replace(directory, sizeBytes, (fresh) => this.#copyAll(rootfs, fresh));
    }
    await this.mount(name);
    await this.#layers.collect(before.lowers);
  }

  async removeSnapshot(name: string, snapshot: string) {
    await this.#mounts.hide(this.directory(name, snapshot));
    await this.#forget(this.directory(name, snapshot));
    await removeIfEmpty(this.#layers.at("containers-snapshots", name));
  }

  /** Discard a volume or snapshot and the layers that only it used. */
  async #forget(directory: HostPath): Promise<void> {
    const before = this.#layers.users.lowersOf(directory);
    await this.#layers.parts.hide(directory);
    await this.#deps.trash.discard(directory);
    this.#layers.users.forget(directory);
    await this.#layers.collect(before);
  }

  async renameSnapshot(name: string, snapshot: string, newName: string) {
    const [from, to] = [this.directory(name, snapshot), this.directory(name, newName)];
    if (await exists(to)) {
      throw new Fault("conflict", `a snapshot "${newName}" of "${name}" exists already`);
    }
    await this.#mounts.hide(this.directory(name, snapshot));
    await Deno.rename(from, to);
    this.#layers.users.rename(from, to);
    await this.mountSnapshot(name, newName);
  }

  async listSnapshots(name: string): Promise<string[]> {
    return await entries(this.#layers.at("containers-snapshots", name));
  }

  async usage(name: string, snapshot?: string): Promise<number> {
    const manifest = await this.#layers.load(this.directory(name, snapshot));
    if (snapshot === undefined) {
      await this.#layers.parts.show(this.directory(name), manifest.kind);
    }
    if (manifest.kind === "plain") return await treeBytes(this.#rootfs(name, snapshot));
    if (snapshot === undefined) {
      return await treeBytes(hostPath(`${this.directory(name)}/overlay/upper`));
    }
    const [top] = manifest.lowers;
    return top?.startsWith("layers/") ? await treeBytes(this.#layers.at(top, "upper")) : 0;
  }

  /** Bytes that it is limited to; 0: none. */
  async limitOf(name: string): Promise<number> {
    const directory = this.directory(name);
    const { quotas } = this.#deps;
    if (quotas !== undefined) return (await quotas.show(directory)).limitBytes;
    const { kind } = await this.#layers.load(directory);
    return await this.#layers.parts.sizeOf(directory, kind);
  }

  /** Limit it by a file, or no more (0). @throws {Fault} bad_request if it must be stopped for that */
  async resize(name: string, sizeBytes: number): Promise<void> {
    const directory = this.directory(name);
    const { kind } = await this.#layers.load(directory);
    const before = await this.limitOf(name);
    if (before === 0 && sizeBytes === 0) return;
    const { sized } = this.#layers.parts;
    const part = partOf(directory, kind);
    if (this.isRunning(name)) {
      if (before === 0 || sizeBytes === 0) throw cannotResizeUsed();
      return await sized.resize(part, sizeBytes, { isUsed: true });
    }
    await this.#hide(name);
    await this.#layers.parts.show(directory, kind);
    const copy: Fill = (path) => this.#copyAll(part.path, path);
    try {
      if (before === 0) requireRoom(await treeBytes(part.path), sizeBytes);
      if (before === 0) await sized.fill(part, sizeBytes, copy);
      else if (sizeBytes === 0) await sized.free(part, copy);
      else await sized.resize(part, sizeBytes, { isUsed: false });
    } finally {
      await this.settle(name);
    }
  }

  async flatten(name: string) {
    const manifest = await this.#layers.load(this.directory(name));
    if (manifest.kind === "plain") return;
    await this.mount(name);
    const rootfs = this.#rootfs(name);
    const bytes = await treeBytes(rootfs);
    const limitBytes = await this.limitOf(name);
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
    const sizeBytes = this.#deps.quotas === undefined ? limitBytes : 0;
    await this.#trees.replace(this.directory(name), sizeBytes, async (fresh) => {
      await requireSpace(this.#deps.root, bytes, `make "${name}" a tree of its own`);
      await copyTree(rootfs, fresh);
    });
    await this.#layers.collect(manifest.lowers);
  }

  // --- start and end of the daemon ---

  async open() {
    for (const name of await entries(this.#layers.at("containers"))) {
      await this.#layers.learn(this.directory(name));
      await this.#trees.repair(this.directory(name));
    }
    for (const name of await entries(this.#layers.at("containers-snapshots"))) {
      for (const snapshot of await this.listSnapshots(name)) {
        await this.#layers.learn(this.directory(name, snapshot));
      }
    }
    const layers = (await entries(this.#layers.at("layers"))).map((id) => `layers/${id}`);
    const images = (await entries(this.#layers.at("images"))).map((id) => `images/${id}`);
    await this.#layers.collect([...layers, ...images]);
  }

  async close() {
    for (const name of await entries(this.#layers.at("containers"))) await this.unmount(name);
  }
}
