/**
 * Driver `zfs`: a dataset for each image and volume, named and laid out as LXD's:
 *
 *     <pool>/images/<fingerprint>@readonly       what containers are clones of
 *     <pool>/containers/<name>@snapshot-<snap>   mounted on containers/<name> of the pool's folder
 *     <pool>/custom/<project>_<name>             a file system, or a disk
 *     <pool>/deleted/...                         gone, but clones still come from it
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import { cannotShrink } from "#daemon/storage/disk_file.ts";
import type { CopyOptions, CreateOptions, StorageDriver, Usage } from "#daemon/storage/driver.ts";
import { requireLosable } from "#daemon/storage/later_snapshots.ts";
import { VolumeMounts } from "#daemon/storage/mounts.ts";
import { MountedDriver } from "#daemon/storage/mounted_driver.ts";
import { FOLDERS, POOL_FOLDERS, type Volume } from "#daemon/storage/volume.ts";
import { Buried } from "./buried.ts";
import { diskDevice } from "./disks.ts";
import { ZfsImages } from "./images.ts";
import {
  datasetName,
  hiddenSnapshot,
  parentDatasets,
  snapshotName,
  temporaryDataset,
  userSnapshot,
} from "./names.ts";
import {
  asOptions,
  diskArguments,
  diskBytes,
  filesystemProperties,
  limits,
  type Options,
  optionsOf,
  recordSize,
} from "./properties.ts";
import { Restores } from "./restore.ts";
import { ZfsReceiver, ZfsSender } from "./streams.ts";
import { type Dataset, findDataset, listDatasets, mountDataset, zfs } from "./tool.ts";

export interface ZfsDeps {
  readonly root: HostPath;
  /** Zpool or dataset. */
  readonly pool: string;
  /** Can mounts of its datasets map ids? */
  readonly idMounts: boolean;
  /** zfs.clone_copy. */
  readonly cloneCopy: "true" | "false" | "rebase";
  /** The pool's `volume.*`, without the prefix. */
  readonly defaults: Options;
  readonly imageExists: (fingerprint: string) => Promise<boolean>;
  readonly onError: (what: string, error: unknown) => void;
}

/** One for each open pool. Its state is in ZFS: nothing is lost with it. */
export class ZfsDriver extends MountedDriver implements StorageDriver {
  readonly can;
  readonly streams = {
    format: "zfs",
    sender: () => Promise.resolve(this.#sender()),
    receiver: () => Promise.resolve(this.#receiver()),
  };
  readonly #deps: ZfsDeps;
  readonly #pool: string;
  protected readonly volumes: VolumeMounts;
  readonly #buried: Buried;
  readonly #restores: Restores;
  readonly #images: ZfsImages;
  /** Devices of disks that were mounted. */
  readonly #disks = new Map<string, HostPath>();

  constructor(deps: ZfsDeps) {
    super();
    this.can = {
      clone: "instant",
      snapshot: "instant",
      quota: true,
      restoreOlder: false,
      block: true,
      imageVolumes: true,
      idMounts: deps.idMounts,
    } as const;
    this.#deps = deps;
    this.#pool = deps.pool;
    this.#buried = new Buried(deps.pool, deps.onError);
    this.volumes = new VolumeMounts({
      root: deps.root,
      attach: (volume, snapshot, target) => mountDataset(this.#name(volume, snapshot), target),
      activate: async (volume, snapshot) => {
        const name = this.#name(volume, snapshot);
        this.#disks.set(name, await diskDevice(name));
      },
    });
    this.#images = new ZfsImages({ ...deps, volumes: this.volumes, buried: this.#buried });
    this.#restores = new Restores(deps, this.#buried);
  }

  #name(volume: Volume, snapshot?: string): string {
    return snapshot === undefined
      ? datasetName(this.#pool, volume)
      : snapshotName(this.#pool, volume, snapshot);
  }

  #options(volume: Volume): Options {
    return optionsOf(volume, this.#deps.defaults);
  }

  // --- images ---

  ensureImage(fingerprint: string, unpack: (directory: HostPath) => Promise<void>) {
    return this.#images.ensure(fingerprint, unpack);
  }

  hasImage(fingerprint: string) {
    return this.#images.has(fingerprint);
  }

  dropImage(fingerprint: string) {
    return this.#images.drop(fingerprint);
  }

  // --- volumes ---

  async #requireFree(volume: Volume, snapshot?: string): Promise<string> {
    const name = this.#name(volume, snapshot);
    if (await findDataset(name) === undefined) return name;
    const what = snapshot === undefined ? volume.name : `${volume.name}/${snapshot}`;
    throw new Fault("conflict", `a volume "${what}" exists already on this storage pool`);
  }

  async create(volume: Volume, { sizeBytes = 0 }: CreateOptions = {}) {
    const options = this.#options(volume);
    await this.#buried.build(await this.#requireFree(volume), async (dataset) => {
      if (volume.content === "block") {
        return void await zfs("create", ...diskArguments(sizeBytes, options), dataset);
      }
      await zfs("create", ...asOptions(filesystemProperties(sizeBytes, options)), dataset);
      await this.volumes.within((target) => mountDataset(dataset, target), async (path) => {
        await Deno.chmod(path, 0o711);
        if (volume.kind === "container") await Deno.mkdir(`${path}/rootfs`, { mode: 0o755 });
      });
    });
    await this.mountMade(volume);
  }

  async createFromImage(
    volume: Volume,
    fingerprint: string,
    { sizeBytes = 0 }: CreateOptions = {},
  ) {
    const name = await this.#requireFree(volume);
    await this.#clone(this.#images.origin(fingerprint), name, volume, sizeBytes);
    await this.mountMade(volume);
  }

  async #clone(origin: string, name: string, volume: Volume, sizeBytes: number): Promise<void> {
    const properties = volume.content === "block"
      ? []
      : filesystemProperties(sizeBytes, this.#options(volume));
    await zfs("clone", ...asOptions(properties), origin, name);
  }

  async copy(target: Volume, source: Volume, options: CopyOptions = {}) {
    const name = await this.#requireFree(target);
    const { sizeBytes = 0, snapshot } = options;
    const snapshots = options.snapshots ??
      (options.withSnapshots === true ? await this.listSnapshots(source) : []);
    if (snapshots.length > 0 || this.#deps.cloneCopy !== "true") {
      await this.#copyBySending(target, source, { ...options, snapshots });
    } else {
      const origin = snapshot === undefined
        ? hiddenSnapshot(this.#name(source), "copy")
        : this.#name(source, snapshot);
      if (snapshot === undefined) await zfs("snapshot", origin);
      try {
        await this.#clone(origin, name, target, sizeBytes);
      } catch (error) {
        if (snapshot === undefined) await this.#buried.burySnapshot(origin);
        throw error;
      }
    }
    try {
      if (target.content === "block" && sizeBytes > 0) await this.resize(target, sizeBytes);
      await this.mount(target);
    } catch (error) {
      await this.remove(target);
      throw error;
    }
  }

  /** All of it, or (where clones are wanted) what it has beyond the image that it comes from. */
  async #copyBySending(
    target: Volume,
    source: Volume,
    options: CopyOptions & { readonly snapshots: readonly string[] },
  ): Promise<void> {
    const { signal, snapshots } = options;
    const origin = this.#deps.cloneCopy === "false"
      ? undefined
      : (await findDataset(this.#name(source)))?.origin;
    await using sender = this.#sender(origin);
    await using receiver = this.#receiver(origin);
    for (const one of snapshots) {
      const parts = sender.send(source, one, signal);
      await receiver.receive(target, parts, { ...options, snapshot: one });
    }
    const { sizeBytes = 0 } = options;
    const parts = sender.send(source, options.snapshot, signal);
    await receiver.receive(target, parts, { sizeBytes, ...(signal !== undefined && { signal }) });
  }

  async remove(volume: Volume) {
    await this.unmount(volume);
    const name = this.#name(volume);
    if (await findDataset(name) !== undefined) await this.#buried.bury(name);
    await this.volumes.forget(volume);
  }

  async rename(volume: Volume, newName: string) {
    const next = { ...volume, name: newName };
    const name = await this.#requireFree(next);
    await this.unmount(volume);
    await zfs("rename", this.#name(volume), name);
    await this.volumes.forget(volume);
    await this.mount(next);
  }

  async resize(volume: Volume, sizeBytes: number) {
    const name = this.#name(volume);
    const options = this.#options(volume);
    if (volume.content === "filesystem") {
      return void await zfs("set", ...limits(sizeBytes, options), ...recordSize(options), name);
    }
    const { sizeBytes: before, blockBytes } = await this.#find(name);
    const bytes = diskBytes(sizeBytes, options, blockBytes);
    if (bytes < before) throw cannotShrink();
    if (bytes > before) await zfs("set", `volsize=${bytes}`, name);
  }

  /** @throws {Fault} not_found */
  async #find(name: string): Promise<Dataset> {
    const found = await findDataset(name);
    if (found === undefined) throw new Fault("not_found", `there is no dataset "${name}"`);
    return found;
  }

  async usage(volume: Volume, snapshot?: string): Promise<Usage> {
    const found = await this.#find(this.#name(volume, snapshot));
    if (found.type === "snapshot") return { usedBytes: found.usedBytes, totalBytes: 0 };
    if (found.type === "volume") {
      return { usedBytes: found.usedBytes, totalBytes: found.sizeBytes };
    }
    return found.refquotaBytes > 0 || isTrue(this.#options(volume)["zfs.use_refquota"])
      ? { usedBytes: found.referencedBytes, totalBytes: found.refquotaBytes }
      : { usedBytes: found.usedBytes, totalBytes: found.quotaBytes };
  }

  async list(kind: Volume["kind"]): Promise<Volume[]> {
    const parent = `${this.#pool}/${FOLDERS[kind].volumes}`;
    const all = await listDatasets(parent, { types: "filesystem,volume", depth: 1 });
    return all.filter(({ name }) => name !== parent).map(({ name, type }): Volume => ({
      kind,
      name: name.slice(parent.length + 1),
      content: type === "volume" ? "block" : "filesystem",
    })).toSorted((a, b) => a.name < b.name ? -1 : 1);
  }

  // --- where the content is ---

  diskPath(volume: Volume, snapshot?: string): HostPath {
    const name = this.#name(volume, snapshot);
    return this.#disks.get(name) ?? hostPath(`/dev/zvol/${name}`);
  }

  // --- snapshots ---

  async snapshot(volume: Volume, snapshot: string) {
    await zfs("snapshot", await this.#requireFree(volume, snapshot));
  }

  async restore(volume: Volume, snapshot: string) {
    const name = this.#name(volume);
    const wanted = this.#name(volume, snapshot);
    const all = await listDatasets(name, { types: "snapshot", depth: 1 });
    const at = all.findIndex((one) => one.name === wanted);
    if (at < 0) throw new Fault("not_found", `there is no snapshot "${snapshot}"`);
    const later = all.slice(at + 1);
    requireLosable(snapshot, later.flatMap((one) => userSnapshot(one.name) ?? []), {});
    await this.unmount(volume);
    if (later.length === 0) await zfs("rollback", wanted);
    else await this.#restores.replace(await this.#find(name), wanted);
    await this.mount(volume);
  }

  async removeSnapshot(volume: Volume, snapshot: string) {
    await this.volumes.unmount(volume, snapshot);
    await this.#buried.burySnapshot(this.#name(volume, snapshot));
    await this.volumes.forgetSnapshot(volume, snapshot);
  }

  async renameSnapshot(volume: Volume, snapshot: string, newName: string) {
    const name = await this.#requireFree(volume, newName);
    await this.volumes.unmount(volume, snapshot);
    await zfs("rename", this.#name(volume, snapshot), name);
    await this.volumes.forgetSnapshot(volume, snapshot);
  }

  async listSnapshots(volume: Volume): Promise<string[]> {
    const all = await listDatasets(this.#name(volume), { types: "snapshot", depth: 1 });
    return all.flatMap(({ name }) => userSnapshot(name) ?? []);
  }

  // --- streams ---

  #sender(origin?: string) {
    const session = new ZfsSender(origin);
    return {
      send: (volume: Volume, snapshot?: string, signal?: AbortSignal) =>
        session.send(
          this.#name(volume),
          snapshot === undefined ? undefined : this.#name(volume, snapshot),
          signal,
        ),
      [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
    };
  }

  #receiver(origin?: string): ZfsReceiver {
    return new ZfsReceiver(temporaryDataset(this.#pool), {
      origin,
      snapshotOf: (volume, snapshot) => this.#name(volume, snapshot).split("@")[1] ?? "",
      finish: async (dataset, volume, sizeBytes) => {
        if (volume.content === "filesystem") {
          await zfs("set", ...filesystemProperties(sizeBytes, this.#options(volume)), dataset);
        }
        await zfs("rename", dataset, await this.#requireFree(volume));
        await this.mount(volume);
      },
      discard: (dataset) => this.#buried.collect(dataset),
    });
  }

  // --- the pool ---

  async space() {
    const text = await zfs("list", "-Hp", "-o", "used,available", this.#pool);
    const [used = 0, available = 0] = text.trim().split("\t").map(Number);
    const totalBytes = used + available;
    return { usedBytes: used, totalBytes, freeBytes: available, inodesUsed: 0, inodesTotal: 0 };
  }

  async open() {
    for (const folder of POOL_FOLDERS) {
      await Deno.mkdir(`${this.#deps.root}/${folder}`, { recursive: true, mode: 0o711 });
    }
    await this.volumes.sweep();
    const all = await listDatasets(this.#pool, { types: "filesystem,volume", depth: "all" });
    const names = new Set(all.map(({ name }) => name));
    for (const parent of parentDatasets(this.#pool).filter((one) => !names.has(one))) {
      await zfs("create", "-o", "canmount=noauto", "-o", "mountpoint=legacy", parent);
    }
    await this.#restores.resume(names);
    await this.#buried.collectAll(names);
    await this.#images.dropUnknown(names, this.#deps.imageExists);
  }
}
