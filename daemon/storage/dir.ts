/**
 * Driver `dir`: plain directories, cloned instantly by overlays. Ids are never shifted on disk; the
 * mounts map them. Layout of a pool:
 *
 *     images/<fingerprint>/           unpacked image: rootfs, metadata.yaml, templates
 *     layers/<id>/upper               sealed uppers, shared by snapshots and copies
 *     containers/<name>/              rootfs (mount point or tree), overlay/{upper,work}, layers.json
 *     containers-snapshots/<name>/<snapshot>/
 *     trash/                          removed in the background, emptied at start
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { LockTable } from "#base/lock.ts";
import { Undo } from "#base/undo.ts";
import { bindMount, detach, MOUNT_ATTR, mountOverlay } from "#ffi/libc/mount.ts";
import { copyTree, requireSpace, treeBytes } from "./copy_tree.ts";
import type { Freezer, StorageDriver } from "./driver.ts";
import { LayerUsers } from "./layer_users.ts";
import { type Manifest, readManifest, writeManifest } from "./manifest.ts";
import type { RunningRoot, RunOptions } from "./service.ts";
import type { UserNamespaces } from "./user_namespaces.ts";

export interface DirDeps {
  readonly root: HostPath;
  readonly namespaces: UserNamespaces;
  /** Can this file system carry idmapped overlays (probe.ts), and does the pool want them? */
  readonly clone: "overlay" | "copy" | "reflink";
  readonly imageExists: (fingerprint: string) => Promise<boolean>;
  /** What failed in the background; nothing waits for it. */
  readonly onError: (what: string, error: unknown) => void;
}

/** Layers below an upper until the chain is made one tree. */
const DEPTH_MAX = 24;

export class DirDriver implements StorageDriver {
  readonly can = { clone: "instant", snapshot: "instant", quota: false } as const;
  readonly #deps: DirDeps;
  readonly #users = new LayerUsers();
  readonly #locks = new LockTable();
  readonly #background = new Set<Promise<void>>();

  constructor(deps: DirDeps) {
    this.#deps = deps;
  }

  #at(...parts: string[]): HostPath {
    return hostPath([this.#deps.root, ...parts].join("/"));
  }

  directory(name: string, snapshot?: string): HostPath {
    return snapshot === undefined
      ? this.#at("containers", name)
      : this.#at("containers-snapshots", name, snapshot);
  }

  // --- images ---

  async ensureImage(fingerprint: string, unpack: (directory: HostPath) => Promise<void>) {
    using _turn = await this.#locks.acquire(`image ${fingerprint}`);
    const target = this.#at("images", fingerprint);
    if (await exists(target)) return;
    const temporary = this.#at("images", `new-${fingerprint}`);
    await removeTree(temporary);
    await Deno.mkdir(temporary, { recursive: true, mode: 0o700 });
    try {
      await unpack(temporary);
      await Deno.rename(temporary, target);
    } catch (error) {
      await removeTree(temporary);
      throw error;
    }
  }

  async dropImage(fingerprint: string) {
    using _turn = await this.#locks.acquire(`image ${fingerprint}`);
    if (this.#users.count(`images/${fingerprint}`) === 0) {
      await this.#discard("images", fingerprint);
    }
  }

  // --- create ---

  async createEmpty(name: string) {
    await using undo = new Undo();
    const directory = await this.#newDirectory(name, undo);
    await Deno.mkdir(`${directory}/rootfs`, { mode: 0o755 });
    await this.#write(name, undefined, { kind: "plain", lowers: [] });
    undo.keep();
  }

  async createFromImage(name: string, fingerprint: string) {
    await using undo = new Undo();
    const directory = await this.#newDirectory(name, undo);
    const image = this.#at("images", fingerprint);
    await copyMetadata(image, directory);
    const rootfs = hostPath(`${directory}/rootfs`);
    await Deno.mkdir(rootfs, { mode: 0o755 });
    if (this.#deps.clone === "overlay") {
      await this.#newUpper(directory);
      await this.#write(name, undefined, { kind: "overlay", lowers: [`images/${fingerprint}`] });
    } else {
      await this.#copyAll(hostPath(`${image}/rootfs`), rootfs);
      await this.#write(name, undefined, { kind: "plain", lowers: [] });
    }
    await this.presentStopped(name);
    undo.keep();
  }

  async createFromVolume(name: string, source: string, snapshot?: string, running?: Freezer) {
    await using undo = new Undo();
    const from = await this.#load(source, snapshot);
    const directory = await this.#newDirectory(name, undo);
    await copyMetadata(this.directory(source, snapshot), directory);
    const rootfs = hostPath(`${directory}/rootfs`);
    await Deno.mkdir(rootfs, { mode: 0o755 });
    if (from.kind === "plain") {
      const tree = hostPath(`${this.directory(source, snapshot)}/rootfs`);
      await this.#copyAll(tree, rootfs, running);
      await this.#write(name, undefined, { kind: "plain", lowers: [] });
    } else {
      const lowers = snapshot === undefined ? await this.#seal(source, from, running) : from.lowers;
      await this.#newUpper(directory);
      await this.#write(name, undefined, { kind: "overlay", lowers });
    }
    await this.presentStopped(name);
    undo.keep();
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

  async #newUpper(directory: HostPath): Promise<void> {
    await Deno.mkdir(`${directory}/overlay/upper`, { recursive: true, mode: 0o755 });
    await Deno.chmod(`${directory}/overlay/upper`, 0o755);
  }

  async #copyAll(source: HostPath, target: HostPath, running?: Freezer): Promise<void> {
    if (this.#deps.clone !== "reflink") {
      await requireSpace(target, await treeBytes(source), "copy the root file system");
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
    await removeIfEmpty(this.#at("containers-snapshots", name));
    await this.withdraw(name);
    const before = this.#users.lowersOf(owner(name));
    await this.#discard("containers", name);
    this.#users.forget(owner(name));
    await this.#collect(before);
  }

  async rename(name: string, newName: string) {
    await using undo = new Undo();
    if (await exists(this.directory(newName))) {
      throw new Fault("conflict", `a volume "${newName}" exists already on this storage pool`);
    }
    const snapshots = await this.listSnapshots(name);
    await this.withdraw(name);
    undo.add("show volume again", () => this.presentStopped(name));
    await Deno.rename(this.directory(name), this.directory(newName));
    undo.add("rename back", () => Deno.rename(this.directory(newName), this.directory(name)));
    if (snapshots.length > 0) {
      await Deno.rename(
        this.#at("containers-snapshots", name),
        this.#at("containers-snapshots", newName),
      );
    }
    this.#users.rename(owner(name), owner(newName));
    for (const snapshot of snapshots) {
      this.#users.rename(owner(name, snapshot), owner(newName, snapshot));
    }
    undo.keep();
    await this.presentStopped(newName);
  }

  // --- mounts ---

  async present(name: string, options: RunOptions): Promise<RunningRoot> {
    let manifest = await this.#load(name);
    const directory = this.directory(name);
    const rootfs = hostPath(`${directory}/rootfs`);
    if (manifest.kind === "overlay" && options.plainRoot) {
      await this.flatten(name);
      manifest = await this.#load(name);
    }
    if (manifest.kind === "plain") return { path: rootfs, lxcIdmap: options.idmap !== null };
    detach(rootfs);
    await freshWork(directory);
    const { namespaces } = this.#deps;
    const maps = options.idmap === null ? {} : {
      lowerNamespace: await namespaces.lower(options.idmap),
      upperNamespace: await namespaces.upper(options.idmap),
    };
    mountOverlay({
      lowers: this.#lowerPaths(manifest),
      upperParent: `${directory}/overlay`,
      target: rootfs,
      ...maps,
    });
    return { path: rootfs, lxcIdmap: false };
  }

  async presentStopped(name: string) {
    const directory = this.directory(name);
    const manifest = await this.#load(name);
    if (manifest.kind !== "overlay") return;
    const rootfs = hostPath(`${directory}/rootfs`);
    detach(rootfs);
    await freshWork(directory);
    mountOverlay({
      lowers: this.#lowerPaths(manifest),
      upperParent: `${directory}/overlay`,
      target: rootfs,
    });
  }

  async #presentSnapshot(name: string, snapshot: string): Promise<void> {
    const manifest = await this.#load(name, snapshot);
    if (manifest.kind !== "overlay") return;
    const rootfs = hostPath(`${this.directory(name, snapshot)}/rootfs`);
    detach(rootfs);
    const lowers = this.#lowerPaths(manifest);
    const [only] = lowers;
    // An overlay without an upper needs two layers.
    if (lowers.length === 1 && only !== undefined) {
      bindMount(only, rootfs, { set: MOUNT_ATTR.RDONLY });
    } else mountOverlay({ lowers, target: rootfs });
  }

  adopt(_name: string): void {
    // Its mounts were made by the daemon before this one, and stay as they are.
  }

  async withdraw(name: string) {
    while (detach(hostPath(`${this.directory(name)}/rootfs`)));
    for (const snapshot of await this.listSnapshots(name)) {
      while (detach(hostPath(`${this.directory(name, snapshot)}/rootfs`)));
    }
  }

  #lowerPaths(manifest: Manifest): string[] {
    return manifest.lowers.map((lower) =>
      this.#at(lower, lower.startsWith("images/") ? "rootfs" : "upper")
    );
  }

  // --- snapshots ---

  async snapshot(name: string, snapshot: string, running?: Freezer) {
    await using undo = new Undo();
    const manifest = await this.#load(name);
    const directory = this.directory(name, snapshot);
    if (await exists(directory)) {
      throw new Fault("conflict", `a snapshot "${snapshot}" of "${name}" exists already`);
    }
    await Deno.mkdir(`${directory}/rootfs`, { recursive: true, mode: 0o700 });
    undo.add("remove snapshot", () => this.removeSnapshot(name, snapshot));
    await copyMetadata(this.directory(name), directory);
    if (manifest.kind === "plain") {
      const rootfs = hostPath(`${directory}/rootfs`);
      await this.#copyAll(hostPath(`${this.directory(name)}/rootfs`), rootfs, running);
      await this.#write(name, snapshot, { kind: "plain", lowers: [] });
    } else {
      const lowers = await this.#seal(name, manifest, running);
      await this.#write(name, snapshot, { kind: "overlay", lowers });
      await this.#presentSnapshot(name, snapshot);
    }
    undo.keep();
    if (manifest.lowers.length >= DEPTH_MAX && running === undefined) await this.flatten(name);
  }

  /**
   * Make the present state a chain of layers that others can share, and return it. Stopped: the upper
   * itself becomes a layer. Running: a copy of it, taken while frozen.
   */
  async #seal(name: string, manifest: Manifest, running?: Freezer): Promise<readonly string[]> {
    const directory = this.directory(name);
    const upper = hostPath(`${directory}/overlay/upper`);
    if (await isEmptyDirectory(upper)) return manifest.lowers;
    const layer = `layers/${crypto.randomUUID()}`;
    if (running !== undefined) {
      await requireSpace(upper, await treeBytes(upper), "copy the changes of the running instance");
      const target = this.#at(layer, "upper");
      await Deno.mkdir(target, { recursive: true, mode: 0o755 });
      await running.freeze(() => copyTree(upper, target));
      return [layer, ...manifest.lowers];
    }
    const lowers = [layer, ...manifest.lowers];
    while (detach(hostPath(`${directory}/rootfs`)));
    await this.#write(name, undefined, {
      kind: "overlay",
      lowers,
      pending: { step: "seal", layer },
    });
    await this.#load(name); // Finishes the step.
    await this.presentStopped(name);
    return lowers;
  }

  /** A snapshot of `source` as a snapshot of its copy `name`. */
  async copySnapshot(source: string, name: string, snapshot: string): Promise<void> {
    const manifest = await this.#load(source, snapshot);
    const directory = this.directory(name, snapshot);
    const rootfs = hostPath(`${directory}/rootfs`);
    await Deno.mkdir(rootfs, { recursive: true, mode: 0o700 });
    await copyMetadata(this.directory(source, snapshot), directory);
    if (manifest.kind === "plain") {
      await this.#copyAll(hostPath(`${this.directory(source, snapshot)}/rootfs`), rootfs);
    }
    await this.#write(name, snapshot, manifest);
    await this.#presentSnapshot(name, snapshot);
  }

  async restore(name: string, snapshot: string) {
    const directory = this.directory(name);
    const saved = await this.#load(name, snapshot);
    const before = (await this.#load(name)).lowers;
    while (detach(hostPath(`${directory}/rootfs`)));
    if (saved.kind === "overlay") {
      await Deno.mkdir(`${directory}/overlay/upper`, { recursive: true });
      await this.#write(name, undefined, {
        kind: "overlay",
        lowers: saved.lowers,
        pending: { step: "reset" },
      });
    } else {
      const fresh = hostPath(`${directory}/rootfs.new`);
      await removeTree(fresh);
      await Deno.mkdir(fresh, { mode: 0o755 });
      await this.#copyAll(hostPath(`${this.directory(name, snapshot)}/rootfs`), fresh);
      await this.#write(name, undefined, { kind: "plain", lowers: [], pending: { step: "swap" } });
    }
    await this.presentStopped(name);
    await this.#collect(before);
  }

  async removeSnapshot(name: string, snapshot: string) {
    while (detach(hostPath(`${this.directory(name, snapshot)}/rootfs`)));
    const key = owner(name, snapshot);
    const before = this.#users.lowersOf(key);
    await this.#discard("containers-snapshots", `${name}/${snapshot}`);
    this.#users.forget(key);
    await removeIfEmpty(this.#at("containers-snapshots", name));
    await this.#collect(before);
  }

  async renameSnapshot(name: string, snapshot: string, newName: string) {
    if (await exists(this.directory(name, newName))) {
      throw new Fault("conflict", `a snapshot "${newName}" of "${name}" exists already`);
    }
    while (detach(hostPath(`${this.directory(name, snapshot)}/rootfs`)));
    await Deno.rename(this.directory(name, snapshot), this.directory(name, newName));
    this.#users.rename(owner(name, snapshot), owner(name, newName));
    await this.#presentSnapshot(name, newName);
  }

  async listSnapshots(name: string): Promise<string[]> {
    return await entries(this.#at("containers-snapshots", name));
  }

  async usage(name: string, snapshot?: string): Promise<number> {
    const manifest = await this.#load(name, snapshot);
    const directory = this.directory(name, snapshot);
    if (manifest.kind === "plain") return await treeBytes(hostPath(`${directory}/rootfs`));
    if (snapshot === undefined) return await treeBytes(hostPath(`${directory}/overlay/upper`));
    const [top] = manifest.lowers;
    return top?.startsWith("layers/") ? await treeBytes(this.#at(top, "upper")) : 0;
  }

  async flatten(name: string) {
    const manifest = await this.#load(name);
    if (manifest.kind === "plain") return;
    const directory = this.directory(name);
    const rootfs = hostPath(`${directory}/rootfs`);
    await this.presentStopped(name);
    const fresh = hostPath(`${directory}/rootfs.new`);
    await removeTree(fresh);
    await Deno.mkdir(fresh, { mode: 0o755 });
    try {
      await requireSpace(fresh, await treeBytes(rootfs), `make "${name}" a tree of its own`);
      await copyTree(rootfs, fresh);
    } catch (error) {
      await removeTree(fresh);
      throw error;
    }
    while (detach(rootfs));
    await this.#write(name, undefined, { kind: "plain", lowers: [], pending: { step: "swap" } });
    await this.#load(name);
    await this.#collect(manifest.lowers);
  }

  // --- manifests and layers ---

  /** The manifest, after finishing a step that was interrupted. */
  async #load(name: string, snapshot?: string): Promise<Manifest> {
    const directory = this.directory(name, snapshot);
    const manifest = await readManifest(directory);
    const { pending, ...settled } = manifest;
    if (pending === undefined) return manifest;
    const upper = `${directory}/overlay/upper`;
    switch (pending.step) {
      case "seal": {
        const target = this.#at(pending.layer, "upper");
        if (!await exists(target)) {
          await Deno.mkdir(this.#at(pending.layer), { recursive: true, mode: 0o711 });
          await Deno.rename(upper, target);
        }
        break;
      }
      case "reset":
        await this.#trash(hostPath(upper));
        break;
      case "swap":
        if (await exists(hostPath(`${directory}/rootfs.new`))) {
          await this.#trash(hostPath(`${directory}/rootfs`));
          await Deno.rename(`${directory}/rootfs.new`, `${directory}/rootfs`);
        }
        await this.#trash(hostPath(`${directory}/overlay`));
        break;
    }
    if (settled.kind === "overlay") await this.#newUpper(directory);
    await this.#write(name, snapshot, settled);
    return settled;
  }

  async #write(name: string, snapshot: string | undefined, manifest: Manifest): Promise<void> {
    await writeManifest(this.directory(name, snapshot), manifest);
    this.#users.set(owner(name, snapshot), manifest.lowers);
  }

  /** Discard those layers that nobody uses any more; images only once they are deleted. */
  async #collect(lowers: readonly string[]): Promise<void> {
    for (const lower of lowers) {
      if (this.#users.count(lower) > 0) continue;
      const [kind = "", id = ""] = lower.split("/");
      if (kind === "images" && await this.#deps.imageExists(id)) continue;
      await this.#discard(kind, id);
    }
  }

  async #discard(folder: string, name: string): Promise<void> {
    await this.#trash(this.#at(folder, name));
  }

  /** Out of sight by one rename, removed in the background. */
  async #trash(path: HostPath): Promise<void> {
    if (!await exists(path)) return;
    const target = this.#at("trash", crypto.randomUUID());
    await Deno.mkdir(this.#at("trash"), { recursive: true, mode: 0o700 });
    await Deno.rename(path, target);
    this.#inBackground("empty the trash", () => Deno.remove(target, { recursive: true }));
  }

  #inBackground(what: string, run: () => Promise<void>): void {
    const task = run().catch((error) => this.#deps.onError(what, error))
      .finally(() => this.#background.delete(task));
    this.#background.add(task);
  }

  // --- start and end of the daemon ---

  async recover() {
    for (const folder of ["containers", "containers-snapshots", "images", "layers", "custom"]) {
      await Deno.mkdir(this.#at(folder), { recursive: true, mode: 0o711 });
    }
    for (const old of await entries(this.#at("trash"))) {
      const path = this.#at("trash", old);
      this.#inBackground("empty the trash", () => Deno.remove(path, { recursive: true }));
    }
    for (const name of await entries(this.#at("containers"))) await this.#learn(name);
    for (const name of await entries(this.#at("containers-snapshots"))) {
      for (const snapshot of await this.listSnapshots(name)) await this.#learn(name, snapshot);
    }
    const layers = (await entries(this.#at("layers"))).map((id) => `layers/${id}`);
    const images = (await entries(this.#at("images"))).map((id) => `images/${id}`);
    await this.#collect([...layers, ...images]);
  }

  /** Register what a volume uses; one whose making was interrupted has no manifest yet. */
  async #learn(name: string, snapshot?: string): Promise<void> {
    try {
      const manifest = await readManifest(this.directory(name, snapshot));
      this.#users.set(owner(name, snapshot), manifest.lowers);
    } catch (error) {
      if (!(error instanceof Fault && error.kind === "not_found")) {
        this.#deps.onError(`read volume "${name}"`, error);
      }
    }
  }

  /** Show the snapshots of a volume again, at daemon start. */
  async presentSnapshots(name: string): Promise<void> {
    for (const snapshot of await this.listSnapshots(name)) {
      await this.#presentSnapshot(name, snapshot);
    }
  }

  async close() {
    for (const name of await entries(this.#at("containers"))) await this.withdraw(name);
    await Promise.all(this.#background);
  }
}

function owner(name: string, snapshot?: string): string {
  return snapshot === undefined ? name : `${name}/${snapshot}`;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

async function entries(path: HostPath): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).toSorted();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function isEmptyDirectory(path: HostPath): Promise<boolean> {
  for await (const _entry of Deno.readDir(path)) return false;
  return true;
}

async function removeTree(path: HostPath): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

async function removeIfEmpty(path: HostPath): Promise<void> {
  await Deno.remove(path).catch(() => undefined);
}

/** A leftover of another user id in work/ would make the mount read-only without a word. */
async function freshWork(directory: HostPath): Promise<void> {
  await removeTree(hostPath(`${directory}/overlay/work`));
  await Deno.mkdir(`${directory}/overlay/work`, { recursive: true, mode: 0o700 });
}

/** metadata.yaml and templates/ of an image, instance or snapshot. */
async function copyMetadata(source: HostPath, target: HostPath): Promise<void> {
  await Deno.copyFile(`${source}/metadata.yaml`, `${target}/metadata.yaml`).catch(ifThere);
  for (const name of await entries(hostPath(`${source}/templates`))) {
    await Deno.mkdir(`${target}/templates`, { recursive: true, mode: 0o700 });
    await Deno.copyFile(`${source}/templates/${name}`, `${target}/templates/${name}`);
  }
}

function ifThere(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
