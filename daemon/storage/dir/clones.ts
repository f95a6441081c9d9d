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
import {
  copyMetadata,
  entries,
  exists,
  isEmptyDirectory,
  removeIfEmpty,
  removeTree,
} from "#daemon/storage/files.ts";
import type { RunningRoot, RunOptions } from "#daemon/storage/service.ts";
import { requireSpace } from "#daemon/storage/space.ts";
import type { UserNamespaces } from "#daemon/storage/user_namespaces.ts";
import { bindMount, detachAside, MOUNT_ATTR, mountOverlay } from "#ffi/libc/mount.ts";
import { Layers, type LayersDeps, newUpper } from "./layers.ts";
import type { Manifest } from "./manifest.ts";
import { DEPTH_MAX, lowersAbove, mergeLayers } from "./merge.ts";

export interface ClonesDeps extends LayersDeps {
  readonly namespaces: UserNamespaces;
  /** Can this file system carry idmapped overlays (probe.ts), and does the pool want them? */
  readonly clone: "overlay" | "copy" | "reflink";
}

/** Volumes by their names on disk. */
export class Clones {
  readonly #deps: ClonesDeps;
  readonly #layers: Layers;
  readonly #locks = new LockTable();
  /** How the root of a container is seen now: with plain ids, or with those that it runs with. */
  readonly #shown = new Map<string, "plain" | "running">();

  constructor(deps: ClonesDeps) {
    this.#deps = deps;
    this.#layers = new Layers(deps);
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

  async createEmpty(name: string) {
    await using undo = new Undo();
    const directory = await this.#newDirectory(name, undo);
    await Deno.mkdir(`${directory}/rootfs`, { mode: 0o755 });
    await this.#layers.write(directory, { kind: "plain", lowers: [] });
    undo.keep();
  }

  async createFromImage(name: string, fingerprint: string) {
    await using undo = new Undo();
    const directory = await this.#newDirectory(name, undo);
    const image = this.#layers.at("images", fingerprint);
    await copyMetadata(image, directory);
    await Deno.mkdir(`${directory}/rootfs`, { mode: 0o755 });
    if (this.#deps.clone === "overlay") {
      await newUpper(directory);
      await this.#layers.write(directory, {
        kind: "overlay",
        lowers: [`images/${fingerprint}`],
      });
    } else {
      await this.#copyAll(hostPath(`${image}/rootfs`), hostPath(`${directory}/rootfs`));
      await this.#layers.write(directory, { kind: "plain", lowers: [] });
    }
    await this.mount(name);
    undo.keep();
  }

  async copy(name: string, source: string, options: CopyOptions) {
    await using undo = new Undo();
    const { snapshot, running } = options;
    const from = await this.#layers.load(this.directory(source, snapshot));
    const directory = await this.#newDirectory(name, undo);
    const snapshots = options.snapshots ??
      (options.withSnapshots === true ? await this.listSnapshots(source) : []);
    for (const one of snapshots) await this.#copySnapshot(source, name, one);
    await copyMetadata(this.directory(source, snapshot), directory);
    await Deno.mkdir(`${directory}/rootfs`, { mode: 0o755 });
    if (from.kind === "plain") {
      await this.#copyAll(this.#rootfs(source, snapshot), this.#rootfs(name), running);
      await this.#layers.write(directory, { kind: "plain", lowers: [] });
    } else {
      const lowers = snapshot === undefined ? await this.#seal(source, from, running) : from.lowers;
      await newUpper(directory);
      await this.#layers.write(directory, { kind: "overlay", lowers });
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
    const directory = this.directory(name);
    let manifest = await this.#layers.load(directory);
    const path = this.#rootfs(name);
    if (manifest.kind === "overlay" && options.plainRoot) {
      await this.flatten(name);
      manifest = await this.#layers.load(directory);
    }
    await this.#hide(name);
    this.#shown.set(name, "running");
    if (manifest.kind === "plain") return { path, lxcIdmap: options.idmap !== null };
    await freshWork(directory);
    const { namespaces } = this.#deps;
    using lower = options.idmap === null ? undefined : await namespaces.lower(options.idmap);
    using upper = options.idmap === null ? undefined : await namespaces.upper(options.idmap);
    mountOverlay({
      lowers: this.#layers.paths(manifest),
      upperParent: `${directory}/overlay`,
      target: path,
      ...(lower !== undefined && { lowerNamespace: lower.fd }),
      ...(upper !== undefined && { upperNamespace: upper.fd }),
    });
    return { path, lxcIdmap: false };
  }

  /** It runs already: its mounts were made by the daemon before this one. */
  adopt(name: string): void {
    this.#shown.set(name, "running");
  }

  /** With plain ids, unless it runs. */
  async mount(name: string) {
    if (this.#shown.has(name)) return;
    const directory = this.directory(name);
    const manifest = await this.#layers.load(directory);
    await this.#hide(name);
    this.#shown.set(name, "plain");
    if (manifest.kind !== "overlay") return;
    await freshWork(directory);
    mountOverlay({
      lowers: this.#layers.paths(manifest),
      upperParent: `${directory}/overlay`,
      target: this.#rootfs(name),
      isVolatile: true, // Nobody syncs through it, and its end need not wait for the disk.
    });
  }

  async #hide(name: string): Promise<void> {
    while (await detachAside(this.#rootfs(name)));
    this.#shown.delete(name);
  }

  /** It runs no more. */
  async settle(name: string) {
    await this.#hide(name);
    await this.mount(name);
  }

  isRunning(name: string): boolean {
    return this.#shown.get(name) === "running";
  }

  async mountSnapshot(name: string, snapshot: string): Promise<void> {
    const manifest = await this.#layers.load(this.directory(name, snapshot));
    if (manifest.kind !== "overlay") return;
    await detachAside(this.#rootfs(name, snapshot));
    showReadOnly(this.#layers.paths(manifest), this.#rootfs(name, snapshot));
  }

  /** The tree of a container that runs, read-only and with plain ids, at an empty directory. */
  async mountView(name: string, target: HostPath): Promise<void> {
    const manifest = await this.#layers.load(this.directory(name));
    if (manifest.kind === "plain") {
      return bindMount(this.#rootfs(name), target, { set: MOUNT_ATTR.RDONLY });
    }
    const upper = `${this.directory(name)}/overlay/upper`;
    showReadOnly([upper, ...this.#layers.paths(manifest)], target);
  }

  async unmount(name: string) {
    await this.#hide(name);
    for (const snapshot of await this.listSnapshots(name)) {
      while (await detachAside(this.#rootfs(name, snapshot)));
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
      const lowers = await this.#seal(name, manifest, running);
      await this.#layers.write(directory, { kind: "overlay", lowers });
      await this.mountSnapshot(name, snapshot);
    }
    undo.keep();
  }

  /** A chain that has become long as one layer. @see merge.ts */
  async shorten(name: string, snapshot: string): Promise<Swap | undefined> {
    const { lowers } = await this.#layers.load(this.directory(name, snapshot));
    if (lowers.length < DEPTH_MAX) return undefined;
    const merged = await mergeLayers(this.#layers, this.#rootfs(name, snapshot));
    return async () => {
      try {
        await this.#replaceLowers(name, lowers, merged);
      } finally {
        await this.#layers.collect([merged]);
      }
    };
  }

  /** A running one keeps what it is mounted from; one that was restored meanwhile is made of others. */
  async #replaceLowers(name: string, lowers: readonly string[], merged: string): Promise<void> {
    const directory = this.directory(name);
    const manifest = await this.#layers.load(directory);
    const above = lowersAbove(manifest.lowers, lowers);
    if (above === undefined || this.#shown.get(name) === "running") return;
    await this.#hide(name);
    await this.#layers.write(directory, { ...manifest, lowers: [...above, merged] });
    await this.mount(name);
    await this.#layers.collect(lowers);
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
    const lowers = [layer, ...manifest.lowers];
    if (running !== undefined) {
      await requireSpace(upper, await treeBytes(upper), "copy the changes of the running instance");
      await this.#deps.trash.build(this.#layers.at(layer), async (path) => {
        const target = hostPath(`${path}/upper`);
        await Deno.mkdir(target, { recursive: true, mode: 0o755 });
        await running.freeze(() => copyTree(upper, target));
      });
      return lowers;
    }
    await this.#hide(name);
    const pending = { step: "seal", layer } as const;
    await this.#layers.write(directory, { kind: "overlay", lowers, pending });
    await this.#layers.load(directory); // Finishes the step.
    await this.mount(name);
    return lowers;
  }

  async restore(name: string, snapshot: string) {
    const directory = this.directory(name);
    const saved = await this.#layers.load(this.directory(name, snapshot));
    const before = (await this.#layers.load(directory)).lowers;
    await this.#hide(name);
    if (saved.kind === "overlay") {
      await Deno.mkdir(`${directory}/overlay/upper`, { recursive: true });
      const pending = { step: "reset" } as const;
      await this.#layers.write(directory, { kind: "overlay", lowers: saved.lowers, pending });
    } else {
      await this.#replaceRootfs(
        name,
        (fresh) => this.#copyAll(this.#rootfs(name, snapshot), fresh),
      );
    }
    await this.mount(name);
    await this.#layers.collect(before);
  }

  async removeSnapshot(name: string, snapshot: string) {
    while (await detachAside(this.#rootfs(name, snapshot)));
    await this.#forget(this.directory(name, snapshot));
    await removeIfEmpty(this.#layers.at("containers-snapshots", name));
  }

  /** Discard a volume or snapshot and the layers that only it used. */
  async #forget(directory: HostPath): Promise<void> {
    const before = this.#layers.users.lowersOf(directory);
    await this.#deps.trash.discard(directory);
    this.#layers.users.forget(directory);
    await this.#layers.collect(before);
  }

  async renameSnapshot(name: string, snapshot: string, newName: string) {
    const [from, to] = [this.directory(name, snapshot), this.directory(name, newName)];
    if (await exists(to)) {
      throw new Fault("conflict", `a snapshot "${newName}" of "${name}" exists already`);
    }
    while (await detachAside(this.#rootfs(name, snapshot)));
    await Deno.rename(from, to);
    this.#layers.users.rename(from, to);
    await this.mountSnapshot(name, newName);
  }

  async listSnapshots(name: string): Promise<string[]> {
    return await entries(this.#layers.at("containers-snapshots", name));
  }

  async usage(name: string, snapshot?: string): Promise<number> {
    const manifest = await this.#layers.load(this.directory(name, snapshot));
    if (manifest.kind === "plain") return await treeBytes(this.#rootfs(name, snapshot));
    if (snapshot === undefined) {
      return await treeBytes(hostPath(`${this.directory(name)}/overlay/upper`));
    }
    const [top] = manifest.lowers;
    return top?.startsWith("layers/") ? await treeBytes(this.#layers.at(top, "upper")) : 0;
  }

  async flatten(name: string) {
    const manifest = await this.#layers.load(this.directory(name));
    if (manifest.kind === "plain") return;
    await this.mount(name);
    const rootfs = this.#rootfs(name);
    const bytes = await treeBytes(rootfs);
    const { limitBytes = 0 } = await this.#deps.quotas?.show(this.directory(name)) ?? {};
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
    await this.#replaceRootfs(name, async (fresh) => {
      await requireSpace(fresh, bytes, `make "${name}" a tree of its own`);
      await copyTree(rootfs, fresh);
    });
    await this.#layers.collect(manifest.lowers);
  }

  /** Fill a new root file system, then put it in the place of the old one, whatever that was. */
  async #replaceRootfs(name: string, fill: (fresh: HostPath) => Promise<void>): Promise<void> {
    const directory = this.directory(name);
    const fresh = hostPath(`${directory}/rootfs.new`);
    await removeTree(fresh);
    await Deno.mkdir(fresh, { mode: 0o755 });
    // Both trees count until the old one is gone: for so long there is no limit.
    const { quotas } = this.#deps;
    const { limitBytes = 0 } = await quotas?.show(directory) ?? {};
    const limit = async (bytes: number) => {
      if (limitBytes > 0) await quotas?.limit(directory, bytes);
    };
    await limit(0);
    try {
      await fill(fresh);
    } catch (error) {
      await removeTree(fresh);
      await limit(limitBytes);
      throw error;
    }
    await this.#hide(name);
    const pending = { step: "swap" } as const;
    await this.#layers.write(directory, { kind: "plain", lowers: [], pending });
    await this.#layers.load(directory); // Finishes the step.
    await this.#deps.trash.idle();
    await limit(limitBytes);
  }

  // --- start and end of the daemon ---

  async open() {
    for (const name of await entries(this.#layers.at("containers"))) {
      await this.#layers.learn(this.directory(name));
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

/** An overlay without an upper needs two layers. */
function showReadOnly(lowers: readonly string[], target: HostPath): void {
  const [only] = lowers;
  if (lowers.length === 1 && only !== undefined) {
    bindMount(only, target, { set: MOUNT_ATTR.RDONLY });
  } else mountOverlay({ lowers, target });
}

/** A leftover of another user id in work/ would make the mount read-only without a word. */
async function freshWork(directory: HostPath): Promise<void> {
  await removeTree(hostPath(`${directory}/overlay/work`));
  await Deno.mkdir(`${directory}/overlay/work`, { recursive: true, mode: 0o700 });
}
