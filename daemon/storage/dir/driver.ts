/**
 * Driver `dir`. Layout of a pool, as LXD's where it has such folders:
 *
 *     images/<fingerprint>/           unpacked image: rootfs, metadata.yaml, templates
 *     layers/<id>/upper               sealed uppers, shared by snapshots and copies
 *     containers/<name>/              rootfs (mount point or tree), overlay/{upper,work}, layers.json;
 *                                     with a size and no project quotas rootfs.img or overlay.img (sized.ts)
 *     containers-snapshots/<name>/<snapshot>/
 *     custom/<project>_<name>/        the data, or root.img
 *     custom-sized/<project>_<name>   the file that limits the data, likewise
 *     custom-snapshots/<project>_<name>/<snapshot>/
 *     trash/                          made or removed in the background, emptied at start
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { DISK_FILE } from "#daemon/storage/disk_file.ts";
import type {
  CopyOptions,
  CreateOptions,
  Freezer,
  PoolSpace,
  StorageDriver,
  Usage,
} from "#daemon/storage/driver.ts";
import type { RunOptions } from "#daemon/storage/service.ts";
import { fileSystemSpace } from "#daemon/storage/space.ts";
import { Trash } from "#daemon/storage/trash.ts";
import type { UserNamespaces } from "#daemon/storage/user_namespaces.ts";
import { POOL_FOLDERS, type Volume } from "#daemon/storage/volume.ts";
import { detach } from "#ffi/libc/mount.ts";
import { Clones } from "./clones.ts";
import { PlainTrees, SIZED_FOLDER } from "./plain.ts";
import { cannotLimit, type ProjectQuotas } from "./project_quota.ts";

export interface DirDeps {
  readonly root: HostPath;
  readonly namespaces: UserNamespaces;
  /** Can this file system carry idmapped overlays (probe.ts), and does the pool want them? */
  readonly clone: "overlay" | "copy" | "reflink";
  /** Can mounts of its directories map ids? */
  readonly idMounts: boolean;
  /** Where the file system enforces project quotas (project_quota.ts). */
  readonly quotas?: ProjectQuotas | undefined;
  /** Why files can't limit it either (sized.ts); undefined: they can. */
  readonly sizesMissing?: string | undefined;
  readonly imageExists: (fingerprint: string) => Promise<boolean>;
  /** What failed in the background; nothing waits for it. */
  readonly onError: (what: string, error: unknown) => void;
}

/** One for each open pool. Its state is on disk: nothing is lost with it. */
export class DirDriver implements StorageDriver {
  readonly can;
  readonly #root: HostPath;
  readonly #trash: Trash;
  readonly #clones: Clones;
  readonly #plain: PlainTrees;
  readonly #quotas: ProjectQuotas | undefined;
  readonly #sizesMissing: string | undefined;

  constructor(deps: DirDeps) {
    const isInstant = deps.clone === "overlay";
    this.can = {
      clone: isInstant ? "instant" : "copy",
      snapshot: isInstant ? "instant" : "copy",
      quota: deps.quotas !== undefined || deps.sizesMissing === undefined,
      restoreOlder: true,
      block: true,
      imageVolumes: false,
      idMounts: deps.idMounts,
    } as const;
    this.#root = deps.root;
    this.#trash = new Trash(deps.root, deps);
    this.#clones = new Clones({ ...deps, trash: this.#trash });
    this.#quotas = deps.quotas;
    this.#sizesMissing = deps.sizesMissing;
    this.#plain = new PlainTrees({ ...deps, trash: this.#trash });
  }

  ensureImage(fingerprint: string, unpack: (directory: HostPath) => Promise<void>) {
    return this.#clones.ensureImage(fingerprint, unpack);
  }

  hasImage(fingerprint: string) {
    return this.#clones.hasImage(fingerprint);
  }

  dropImage(fingerprint: string) {
    return this.#clones.dropImage(fingerprint);
  }

  async create(volume: Volume, options: CreateOptions = {}) {
    if (volume.kind === "custom") return await this.#plain.create(volume, options);
    await this.#limited(
      volume,
      { ...options, mustFit: true },
      (bytes) => this.#clones.createEmpty(volume.name, bytes),
    );
  }

  async createFromImage(volume: Volume, fingerprint: string, options: CreateOptions = {}) {
    await this.#limited(
      volume,
      { ...options, mustFit: true },
      (bytes) => this.#clones.createFromImage(volume.name, fingerprint, bytes),
    );
  }

  /** Make a container and limit it. @param make by a file, if it is given bytes */
  async #limited(
    volume: Volume,
    { sizeBytes = 0, mustFit = false }: CreateOptions & { readonly mustFit?: boolean },
    make: (sizeBytes: number) => Promise<void>,
  ) {
    this.#requireSizes(sizeBytes);
    if (this.#quotas === undefined) return await make(sizeBytes);
    await make(0);
    if (sizeBytes === 0) return;
    try {
      await this.#quotas.limit(this.directory(volume), sizeBytes, { mustFit });
    } catch (error) {
      await this.remove(volume);
      throw error;
    }
  }

  #requireSizes(sizeBytes: number): void {
    if (sizeBytes === 0 || this.can.quota || this.#sizesMissing === undefined) return;
    throw cannotLimit(this.#sizesMissing);
  }

  async copy(target: Volume, source: Volume, options: CopyOptions = {}) {
    if (target.kind === "custom") return await this.#plain.copy(target, source, options);
    await this.#limited(
      target,
      options,
      (sizeBytes) => this.#clones.copy(target.name, source.name, { ...options, sizeBytes }),
    );
  }

  async remove(volume: Volume) {
    await this.#quotas?.forget(this.directory(volume));
    await (volume.kind === "custom"
      ? this.#plain.remove(volume)
      : this.#clones.remove(volume.name));
  }

  async rename(volume: Volume, newName: string) {
    await (volume.kind === "custom"
      ? this.#plain.rename(volume, newName)
      : this.#clones.rename(volume.name, newName));
  }

  async resize(volume: Volume, sizeBytes: number, use?: { readonly isUsed: boolean }) {
    if (volume.kind === "custom") return await this.#plain.resize(volume, sizeBytes, use);
    this.#requireSizes(sizeBytes);
    if (this.#quotas !== undefined) await this.#quotas.limit(this.directory(volume), sizeBytes);
    else await this.#clones.sizes.resize(volume.name, sizeBytes);
  }

  async usage(volume: Volume, snapshot?: string): Promise<Usage> {
    if (volume.kind === "custom") return await this.#plain.usage(volume, snapshot);
    const usedBytes = await this.#clones.sizes.usage(volume.name, snapshot);
    const totalBytes = snapshot === undefined ? await this.#clones.sizes.limitOf(volume.name) : 0;
    return { usedBytes, totalBytes };
  }

  list(kind: Volume["kind"]) {
    return this.#plain.list(kind);
  }

  directory(volume: Volume, snapshot?: string): HostPath {
    return this.#plain.directory(volume, snapshot);
  }

  async mount(volume: Volume, snapshot?: string) {
    if (volume.kind === "container") {
      if (snapshot === undefined) await this.#clones.mount(volume.name);
      else await this.#clones.snapshots.mount(volume.name, snapshot);
    } else if (snapshot === undefined) await this.#plain.show(volume);
    return this.directory(volume, snapshot);
  }

  async view(volume: Volume, snapshot?: string) {
    if (
      volume.kind === "custom" || snapshot !== undefined || !this.#clones.isRunning(volume.name)
    ) {
      return {
        path: await this.mount(volume, snapshot),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    }
    const path = await this.#trash.stage();
    const rootfs = hostPath(`${path}/rootfs`);
    await Deno.mkdir(rootfs, { recursive: true, mode: 0o700 });
    const close = async () => {
      while (detach(rootfs));
      await Deno.remove(path, { recursive: true });
    };
    try {
      await this.#clones.mountView(volume.name, rootfs);
    } catch (error) {
      await close();
      throw error;
    }
    return { path, [Symbol.asyncDispose]: close };
  }

  async unmount(volume: Volume) {
    if (volume.kind === "container") await this.#clones.unmount(volume.name);
  }

  present(volume: Volume, options: RunOptions) {
    return this.#clones.present(volume.name, options);
  }

  adopt(volume: Volume) {
    this.#clones.adopt(volume.name);
  }

  settle(volume: Volume) {
    return this.#clones.settle(volume.name);
  }

  diskPath(volume: Volume, snapshot?: string): HostPath {
    return hostPath(`${this.directory(volume, snapshot)}/${DISK_FILE}`);
  }

  async snapshot(volume: Volume, snapshot: string, running?: Freezer) {
    await (volume.kind === "custom"
      ? this.#plain.snapshot(volume, snapshot)
      : this.#clones.snapshots.take(volume.name, snapshot, running));
  }

  async restore(volume: Volume, snapshot: string) {
    await (volume.kind === "custom"
      ? this.#plain.restore(volume, snapshot)
      : this.#clones.snapshots.restore(volume.name, snapshot));
  }

  async removeSnapshot(volume: Volume, snapshot: string) {
    await (volume.kind === "custom"
      ? this.#plain.removeSnapshot(volume, snapshot)
      : this.#clones.snapshots.remove(volume.name, snapshot));
  }

  async renameSnapshot(volume: Volume, snapshot: string, newName: string) {
    await (volume.kind === "custom"
      ? this.#plain.renameSnapshot(volume, snapshot, newName)
      : this.#clones.snapshots.rename(volume.name, snapshot, newName));
  }

  listSnapshots(volume: Volume) {
    return this.#plain.listSnapshots(volume);
  }

  async shorten(volume: Volume, snapshot: string) {
    return volume.kind === "custom"
      ? undefined
      : await this.#clones.snapshots.shorten(volume.name, snapshot);
  }

  async flatten(volume: Volume) {
    if (volume.kind === "container") await this.#clones.flatten(volume.name);
  }

  space(): Promise<PoolSpace> {
    return fileSystemSpace(this.#root);
  }

  async open() {
    for (const folder of [...POOL_FOLDERS, "layers", SIZED_FOLDER]) {
      await Deno.mkdir(`${this.#root}/${folder}`, { recursive: true, mode: 0o711 });
    }
    await this.#trash.empty();
    await this.#clones.open();
    await this.#plain.open();
  }

  async close() {
    await this.#clones.close();
    await this.#plain.close();
    await this.#trash.idle();
  }
}
