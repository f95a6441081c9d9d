/**
 * Driver `btrfs`: a subvolume for each image, volume and snapshot, named and laid out as LXD's:
 *
 *     images/<fingerprint>  containers/<name>  containers-snapshots/<name>/<snapshot>
 *     custom/<project>_<name>  custom-snapshots/<project>_<name>/<snapshot>
 *     trash/   made or removed, emptied at start
 *
 * Ids are unshifted on disk; liblxc maps them by the mount, where the kernel can.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { LockTable } from "#base/lock.ts";
import { entries, exists, removeIfEmpty } from "#daemon/host/files.ts";
import { DISK_FILE, growDisk, makeDisk } from "#daemon/storage/disk_file.ts";
import type {
  CopyOptions,
  CreateOptions,
  StorageDriver,
  StreamReceiver,
  Streams,
  StreamSender,
  Usage,
} from "#daemon/storage/driver.ts";
import type { RunningRoot, RunOptions } from "#daemon/storage/service.ts";
import { fileSystemSpace } from "#daemon/storage/space.ts";
import { Trash } from "#daemon/storage/trash.ts";
import { FOLDERS, POOL_FOLDERS, type Volume } from "#daemon/storage/volume.ts";
import { setReadOnlySubvolume } from "#ffi/libc/btrfs.ts";
import { exchange } from "#ffi/libc/rename.ts";
import { Quotas } from "./quota.ts";
import { BtrfsReceiver, BtrfsSender } from "./streams.ts";
import { btrfs, createSubvolume, deleteTree, isSubvolume, snapshotTree } from "./subvolume.ts";

export interface BtrfsDeps {
  readonly root: HostPath;
  /** Can mounts of its subvolumes map ids? */
  readonly idMounts: boolean;
  readonly imageExists: (fingerprint: string) => Promise<boolean>;
  /** What failed in the background; nothing waits for it. */
  readonly onError: (what: string, error: unknown) => void;
}

/** One for each open pool. Its state is on disk: nothing is lost with it. */
export class BtrfsDriver implements StorageDriver {
  readonly can;
  readonly streams: Streams = {
    format: "btrfs",
    sender: () => this.#sender(),
    receiver: () => this.#receiver(),
  };
  readonly #deps: BtrfsDeps;
  readonly #trash: Trash;
  readonly #quotas: Quotas;
  readonly #locks = new LockTable();

  constructor(deps: BtrfsDeps) {
    this.can = {
      clone: "instant",
      snapshot: "instant",
      quota: true,
      restoreOlder: true,
      block: true,
      imageVolumes: true,
      idMounts: deps.idMounts,
    } as const;
    this.#deps = deps;
    this.#trash = new Trash(deps.root, { ...deps, remove: deleteTree });
    this.#quotas = new Quotas(deps.root);
  }

  #at(...parts: string[]): HostPath {
    return hostPath([this.#deps.root, ...parts].join("/"));
  }

  // --- images ---

  async ensureImage(fingerprint: string, unpack: (directory: HostPath) => Promise<void>) {
    using _turn = await this.#locks.acquire(`image ${fingerprint}`);
    const target = this.#at("images", fingerprint);
    if (await exists(target)) return;
    await this.#trash.build(target, async (path) => {
      await createSubvolume(path);
      await unpack(path);
    });
    setReadOnlySubvolume(target, true);
  }

  hasImage(fingerprint: string): Promise<boolean> {
    return exists(this.#at("images", fingerprint));
  }

  async dropImage(fingerprint: string) {
    using _turn = await this.#locks.acquire(`image ${fingerprint}`);
    await deleteTree(this.#at("images", fingerprint));
  }

  // --- volumes ---

  async create(volume: Volume, options: CreateOptions = {}) {
    await this.#make(volume, options, async (path) => {
      await createSubvolume(path);
      if (volume.content === "block") await makeDisk(path, options.sizeBytes);
      else if (volume.kind === "container") await Deno.mkdir(`${path}/rootfs`, { mode: 0o755 });
    });
  }

  async createFromImage(volume: Volume, fingerprint: string, options: CreateOptions = {}) {
    const image = this.#at("images", fingerprint);
    await this.#make(volume, options, (path) => snapshotTree(image, path, { isReadOnly: false }));
  }

  async copy(target: Volume, source: Volume, options: CopyOptions = {}) {
    await requireFree(this.directory(target), target.name);
    const snapshots = options.snapshots ??
      (options.withSnapshots === true ? await this.listSnapshots(source) : []);
    try {
      for (const one of snapshots) {
        await this.#takeSnapshot(this.directory(source, one), target, one);
      }
      const from = this.directory(source, options.snapshot);
      await this.#make(target, options, (path) => snapshotTree(from, path, { isReadOnly: false }));
    } catch (error) {
      await this.remove(target);
      throw error;
    }
  }

  /** Build a volume out of sight and limit it; then it gets its name. */
  async #make(volume: Volume, options: CreateOptions, build: (path: HostPath) => Promise<void>) {
    const target = this.directory(volume);
    await requireFree(target, volume.name);
    const { sizeBytes = 0 } = options;
    await this.#trash.build(target, async (path) => {
      await build(path);
      if (volume.content === "filesystem" && sizeBytes > 0) {
        await this.#quotas.limit(path, sizeBytes);
      }
    });
    if (volume.content === "block" && sizeBytes > 0) await growDisk(target, sizeBytes);
  }

  async remove(volume: Volume) {
    for (const snapshot of await this.listSnapshots(volume)) {
      await this.removeSnapshot(volume, snapshot);
    }
    await this.#discard(this.directory(volume));
  }

  /** Out of sight by one rename, then removed: btrfs frees the space in the background itself. */
  async #discard(path: HostPath): Promise<void> {
    if (!await exists(path)) return;
    const staged = await this.#trash.stage();
    if (await isSubvolume(path)) setReadOnlySubvolume(path, false);
    await Deno.rename(path, staged);
    await deleteTree(staged);
  }

  async rename(volume: Volume, newName: string) {
    const next = { ...volume, name: newName };
    await requireFree(this.directory(next), newName);
    await Deno.rename(this.directory(volume), this.directory(next));
    if (!await exists(this.#snapshots(volume))) return;
    try {
      await Deno.rename(this.#snapshots(volume), this.#snapshots(next));
    } catch (error) {
      await Deno.rename(this.directory(next), this.directory(volume));
      throw error;
    }
  }

  async resize(volume: Volume, sizeBytes: number) {
    if (volume.content === "block") return await growDisk(this.directory(volume), sizeBytes);
    await this.#quotas.limit(this.directory(volume), sizeBytes);
  }

  async usage(volume: Volume, snapshot?: string): Promise<Usage> {
    const path = this.directory(volume, snapshot);
    const group = await this.#quotas.usage(path);
    const usedBytes = group?.exclusiveBytes ?? await exclusiveBytes(path);
    if (volume.content !== "block") {
      const totalBytes = group?.limitBytes ?? 0;
      return { usedBytes, totalBytes, ...group === undefined && { isUncounted: true as const } };
    }
    return { usedBytes, totalBytes: (await Deno.stat(`${path}/${DISK_FILE}`)).size };
  }

  async list(kind: Volume["kind"]): Promise<Volume[]> {
    const names = await entries(this.#at(FOLDERS[kind].volumes));
    return await Promise.all(names.map(async (name): Promise<Volume> => {
      const isDisk = kind === "custom" &&
        await exists(this.diskPath({ kind, name, content: "block" }));
      return { kind, name, content: isDisk ? "block" : "filesystem" };
    }));
  }

  // --- where the content is: always visible, with plain ids ---

  directory({ kind, name }: Volume, snapshot?: string): HostPath {
    return snapshot === undefined
      ? this.#at(FOLDERS[kind].volumes, name)
      : this.#at(FOLDERS[kind].snapshots, name, snapshot);
  }

  #snapshots({ kind, name }: Volume): HostPath {
    return this.#at(FOLDERS[kind].snapshots, name);
  }

  mount(volume: Volume, snapshot?: string): Promise<HostPath> {
    return Promise.resolve(this.directory(volume, snapshot));
  }

  view(volume: Volume, snapshot?: string) {
    return Promise.resolve({
      path: this.directory(volume, snapshot),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  }

  unmount(_volume: Volume): Promise<void> {
    return Promise.resolve();
  }

  present(volume: Volume, options: RunOptions): Promise<RunningRoot> {
    const path = hostPath(`${this.directory(volume)}/rootfs`);
    return Promise.resolve({ path, lxcIdmap: options.idmap !== null });
  }

  adopt(_volume: Volume): void {
    // Nothing of it is mounted.
  }

  settle(_volume: Volume): Promise<void> {
    return Promise.resolve();
  }

  diskPath(volume: Volume, snapshot?: string): HostPath {
    return hostPath(`${this.directory(volume, snapshot)}/${DISK_FILE}`);
  }

  // --- snapshots ---

  async snapshot(volume: Volume, snapshot: string) {
    await this.#takeSnapshot(this.directory(volume), volume, snapshot);
  }

  async #takeSnapshot(source: HostPath, volume: Volume, snapshot: string): Promise<void> {
    const target = this.directory(volume, snapshot);
    await requireFree(target, `${volume.name}/${snapshot}`);
    await Deno.mkdir(this.#snapshots(volume), { recursive: true, mode: 0o700 });
    await snapshotTree(source, target, { isReadOnly: true });
  }

  async restore(volume: Volume, snapshot: string) {
    const path = this.directory(volume);
    const staged = await this.#trash.stage();
    await snapshotTree(this.directory(volume, snapshot), staged, { isReadOnly: false });
    try {
      const limit = await this.#quotas.limitOf(path);
      if (limit > 0) await this.#quotas.limit(staged, limit);
      exchange(staged, path);
    } finally {
      await deleteTree(staged); // What was there before, or what did not become whole.
    }
  }

  async removeSnapshot(volume: Volume, snapshot: string) {
    await this.#discard(this.directory(volume, snapshot));
    await removeIfEmpty(this.#snapshots(volume));
  }

  async renameSnapshot(volume: Volume, snapshot: string, newName: string) {
    await requireFree(this.directory(volume, newName), `${volume.name}/${newName}`);
    await Deno.rename(this.directory(volume, snapshot), this.directory(volume, newName));
  }

  async listSnapshots(volume: Volume) {
    return await entries(this.#snapshots(volume));
  }

  // --- streams ---

  async #sender(): Promise<StreamSender> {
    const session = new BtrfsSender(await this.#trash.stage());
    return {
      send: (volume, snapshot, signal) => session.send(this.directory(volume, snapshot), signal),
      [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
    };
  }

  async #receiver(): Promise<StreamReceiver> {
    const session = new BtrfsReceiver(await this.#trash.stage());
    return {
      receive: async (volume, parts, { snapshot, ...options } = {}) => {
        const fill = (path: HostPath) => session.receive(path, parts, options.signal);
        if (snapshot === undefined) return await this.#make(volume, options, fill);
        const target = this.directory(volume, snapshot);
        await requireFree(target, `${volume.name}/${snapshot}`);
        await Deno.mkdir(this.#snapshots(volume), { recursive: true, mode: 0o700 });
        await this.#trash.build(target, fill);
        setReadOnlySubvolume(target, true);
      },
      [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
    };
  }

  flatten(_volume: Volume): Promise<void> {
    return Promise.resolve();
  }

  // --- the pool ---

  space() {
    return fileSystemSpace(this.#deps.root);
  }

  async open() {
    for (const folder of POOL_FOLDERS) {
      await Deno.mkdir(this.#at(folder), { recursive: true, mode: 0o711 });
    }
    await this.#trash.empty();
    for (const fingerprint of await entries(this.#at("images"))) {
      if (!await this.#deps.imageExists(fingerprint)) await this.dropImage(fingerprint);
    }
  }

  async close() {
    await this.#trash.idle();
  }
}

async function requireFree(path: HostPath, name: string): Promise<void> {
  if (!await exists(path)) return;
  throw new Fault("conflict", `a volume "${name}" exists already on this storage pool`);
}

/** Data that no other subvolume shares. Cost: a walk. */
async function exclusiveBytes(path: HostPath): Promise<number> {
  const text = await btrfs("filesystem", "du", "--summarize", "--raw", path);
  // Total, exclusive, shared, name: below a line of titles.
  return Number(text.trim().split("\n").at(-1)?.trim().split(/\s+/)[1]) || 0;
}
