/**
 * Driver `lvm`: a logical volume with a file system for each image, volume and snapshot, thin by
 * default. Mounted where other pools have the volume's directory:
 *
 *     /dev/<group>/containers_web            on containers/web
 *     /dev/<group>/containers_web-snap0      on containers-snapshots/web/snap0, when it is looked at
 *     /dev/<group>/custom_default_data.block a disk
 */
import type { HostPath } from "#base/brand.ts";
import { Fault, isFaultOf } from "#base/errors.ts";
import { LockTable } from "#base/lock.ts";
import { Undo } from "#base/undo.ts";
import { renewIdentity } from "#daemon/storage/block_filesystem.ts";
import type {
  CopyOptions,
  CreateOptions,
  Freezer,
  StorageDriver,
  Usage,
} from "#daemon/storage/driver.ts";
import type { VolumeMounts } from "#daemon/storage/mounts.ts";
import { areIdMountsOff } from "#daemon/host/id_mounts.ts";
import { MountedDriver } from "#daemon/storage/mounted_driver.ts";
import { fileSystemSpace } from "#daemon/storage/space.ts";
import { copyDisk, syncTrees } from "#daemon/storage/sync.ts";
import { POOL_FOLDERS, type Volume } from "#daemon/storage/volume.ts";
import type { VolumeGroup } from "./group.ts";
import { LogicalMounts } from "./mounts.ts";
import { imageName, logicalName, NEW_PREFIX, parseLogicalName, TEMPORARY_PREFIX } from "./names.ts";
import { Sizes } from "./sizes.ts";

export interface LvmDeps {
  readonly root: HostPath;
  readonly group: VolumeGroup;
  /** The pool's `volume.*`, without the prefix. */
  readonly defaults: Readonly<Record<string, string>>;
  readonly imageExists: (fingerprint: string) => Promise<boolean>;
}

/** One for each open pool. Its state is in LVM: nothing is lost with it. */
export class LvmDriver extends MountedDriver implements StorageDriver {
  readonly can;
  readonly #deps: LvmDeps;
  readonly #group: VolumeGroup;
  readonly #mounts: LogicalMounts;
  protected readonly volumes: VolumeMounts;
  readonly #sizes: Sizes;
  readonly #locks = new LockTable();
  readonly #isThin: boolean;

  constructor(deps: LvmDeps) {
    super();
    this.#isThin = deps.group.thinPool !== undefined;
    this.can = {
      clone: this.#isThin ? "instant" : "copy",
      snapshot: "instant",
      quota: true,
      restoreOlder: true,
      block: true,
      imageVolumes: true,
      idMounts: !areIdMountsOff(),
    } as const;
    this.#deps = deps;
    this.#group = deps.group;
    this.#mounts = new LogicalMounts(deps);
    this.volumes = this.#mounts.volumes;
    this.#sizes = new Sizes(deps, this.#mounts);
  }

  // --- images ---

  async ensureImage(fingerprint: string, unpack: (directory: HostPath) => Promise<void>) {
    using _turn = await this.#locks.acquire(`image ${fingerprint}`);
    const name = imageName(fingerprint, this.#sizes.filesystem());
    if (await this.#group.has(name)) return;
    await this.#build(name, async (lv) => {
      await this.#sizes.createFilesystem(lv, undefined, {});
      await this.#mounts.within(lv, { isReadOnly: false }, unpack);
      await this.#group.setWritable(lv, false);
    });
  }

  async hasImage(fingerprint: string): Promise<boolean> {
    return (await this.#imagesOf(fingerprint)).length > 0;
  }

  async dropImage(fingerprint: string) {
    using _turn = await this.#locks.acquire(`image ${fingerprint}`);
    for (const name of await this.#imagesOf(fingerprint)) await this.#group.remove(name);
  }

  /** One for each file system that it was unpacked to. */
  async #imagesOf(fingerprint: string): Promise<readonly string[]> {
    const names = (await this.#group.list()).map(({ name }) => name);
    return names.filter((name) => name.startsWith(`images_${fingerprint}_`));
  }

  // --- volumes ---

  /** Make a logical volume under a temporary name; then it gets its own. */
  async #build(name: string, make: (lv: string) => Promise<void>): Promise<void> {
    const lv = `${TEMPORARY_PREFIX}${crypto.randomUUID()}`;
    try {
      await make(lv);
      await this.#group.rename(lv, name);
    } catch (error) {
      if (await this.#group.has(lv)) await this.#group.remove(lv);
      throw error;
    }
  }

  async #requireFree(volume: Volume, snapshot?: string): Promise<string> {
    const name = logicalName(volume, snapshot);
    if (!await this.#group.has(name)) return name;
    const what = snapshot === undefined ? volume.name : `${volume.name}/${snapshot}`;
    throw new Fault("conflict", `a volume "${what}" exists already on this storage pool`);
  }

  async create(volume: Volume, options: CreateOptions = {}) {
    await this.#build(await this.#requireFree(volume), async (lv) => {
      if (volume.content === "block") return await this.#sizes.create(lv, volume, options);
      await this.#sizes.createFilesystem(lv, volume, options);
      await this.#mounts.within(lv, { isReadOnly: false }, async (path) => {
        await Deno.chmod(path, 0o711);
        if (volume.kind === "container") await Deno.mkdir(`${path}/rootfs`, { mode: 0o755 });
      });
    });
    await this.mountMade(volume);
  }

  async createFromImage(volume: Volume, fingerprint: string, options: CreateOptions = {}) {
    const image = imageName(fingerprint, this.#sizes.filesystem());
    await this.#build(
      await this.#requireFree(volume),
      (lv) => this.#clone(image, lv, volume, options),
    );
    await this.mountMade(volume);
  }

  async copy(target: Volume, source: Volume, options: CopyOptions = {}) {
    const name = await this.#requireFree(target);
    const snapshots = options.snapshots ??
      (options.withSnapshots === true ? await this.listSnapshots(source) : []);
    try {
      if (this.#isThin) {
        const origin = logicalName(source, options.snapshot);
        for (const one of snapshots) await this.#snapshotOf(logicalName(source, one), target, one);
        await this.#build(name, (lv) => this.#clone(origin, lv, target, options));
      } else await this.#copyStates(name, { target, source, snapshots }, options);
    } catch (error) {
      await this.remove(target);
      throw error;
    }
    await this.mountMade(target);
  }

  /** An independent copy: at once by a thin snapshot, else by content. */
  async #clone(origin: string, lv: string, volume: Volume, options: CreateOptions): Promise<void> {
    const { sizeBytes: originBytes = 0 } = await this.#group.find(origin) ?? {};
    if (this.#isThin) {
      await this.#branch(origin, lv, volume);
      if ((options.sizeBytes ?? 0) === 0) return;
      try {
        return await this.#sizes.resize(lv, volume, options.sizeBytes ?? 0);
      } catch (error) {
        if (!isFaultOf(error, "bad_request") || volume.content === "block") throw error;
      }
      return await this.#copySmaller(origin, lv, volume, options);
    }
    await this.#createLike(originBytes, lv, volume, options);
    await this.#fillFrom(origin, lv, volume);
  }

  /** A snapshot that can be written to and mounted beside its origin. */
  async #branch(origin: string, lv: string, { content }: Volume): Promise<void> {
    const isBtrfs = content === "filesystem" && await this.#mounts.isBtrfs(origin);
    const still = isBtrfs ? await this.#mounts.placeOf(origin) : undefined;
    await this.#group.snapshot(origin, lv, { isReadOnly: false, still });
    if (isBtrfs) await renewIdentity(await this.#mounts.device(lv));
  }

  /** A file system does not shrink below what its tables take, xfs not at all: its content may fit. */
  async #copySmaller(origin: string, lv: string, volume: Volume, options: CreateOptions) {
    await this.#group.remove(lv);
    await this.#sizes.createFilesystem(lv, volume, options);
    // The origin may be mounted, and a device has one file system at a time.
    const still = `${TEMPORARY_PREFIX}${crypto.randomUUID()}`;
    try {
      await this.#branch(origin, still, volume);
      await this.#fillFrom(still, lv, volume);
    } finally {
      if (await this.#group.has(still)) await this.#group.remove(still);
    }
  }

  async #createLike(originBytes: number, lv: string, volume: Volume, options: CreateOptions) {
    const sized = { ...options, sizeBytes: options.sizeBytes || originBytes };
    if (volume.content === "block") await this.#sizes.create(lv, volume, sized);
    else await this.#sizes.createFilesystem(lv, volume, sized);
  }

  /** Each state by its content, oldest first, with a snapshot of all but the last. */
  async #copyStates(
    name: string,
    { target, source, snapshots }: {
      readonly target: Volume;
      readonly source: Volume;
      readonly snapshots: readonly string[];
    },
    options: CopyOptions,
  ): Promise<void> {
    const { sizeBytes = 0 } = await this.#group.find(logicalName(source)) ?? {};
    const [first = options.snapshot] = snapshots;
    await this.#build(name, async (lv) => {
      await this.#createLike(sizeBytes, lv, target, options);
      await this.#fillState(lv, source, { ...options, snapshot: first });
    });
    for (const [index, one] of snapshots.entries()) {
      await this.snapshot(target, one);
      const next = snapshots[index + 1] ?? options.snapshot;
      await this.#fillState(name, source, { ...options, snapshot: next });
    }
  }

  /** The present state is read where it is mounted: a device has one file system at a time. */
  async #fillState(
    lv: string,
    source: Volume,
    { snapshot, running }: { readonly snapshot?: string | undefined; readonly running?: Freezer },
  ): Promise<void> {
    if (snapshot !== undefined || source.content === "block") {
      return await this.#fillFrom(logicalName(source, snapshot), lv, source);
    }
    const from = await this.mount(source);
    const write = () => this.#mounts.within(lv, { isReadOnly: false }, (to) => syncTrees(from, to));
    await write();
    if (running !== undefined) await running.freeze(write);
  }

  async #fillFrom(origin: string, lv: string, volume: Volume): Promise<void> {
    if (volume.content === "block") {
      const from = await this.#mounts.device(origin);
      return await copyDisk(from, await this.#mounts.device(lv), { isFresh: false });
    }
    await this.#mounts.within(
      origin,
      { isReadOnly: true },
      (from) => this.#mounts.within(lv, { isReadOnly: false }, (to) => syncTrees(from, to)),
    );
  }

  async remove(volume: Volume) {
    await this.unmount(volume);
    for (const snapshot of await this.listSnapshots(volume)) {
      await this.removeSnapshot(volume, snapshot);
    }
    const name = logicalName(volume);
    if (await this.#group.has(name)) await this.#group.remove(name);
    await this.volumes.forget(volume);
  }

  async rename(volume: Volume, newName: string) {
    const next = { ...volume, name: newName };
    const name = await this.#requireFree(next);
    const steps: (readonly [string, string])[] = [[logicalName(volume), name]];
    for (const one of await this.listSnapshots(volume)) {
      steps.push([logicalName(volume, one), logicalName(next, one)]);
    }
    await this.unmount(volume);
    await using undo = new Undo();
    for (const [from, to] of steps) {
      await this.#group.rename(from, to);
      undo.add(`name of ${from}`, () => this.#group.rename(to, from));
    }
    undo.keep();
    await this.volumes.forget(volume);
    await this.mount(next);
  }

  async resize(volume: Volume, sizeBytes: number) {
    if (sizeBytes > 0) await this.#sizes.resizeMounted(volume, sizeBytes);
  }

  async usage(volume: Volume, snapshot?: string): Promise<Usage> {
    const found = await this.#group.find(logicalName(volume, snapshot));
    const { sizeBytes = 0, dataPercent = 0 } = found ?? {};
    if (volume.content === "block" || snapshot !== undefined) {
      return { usedBytes: Math.round(sizeBytes * dataPercent / 100), totalBytes: sizeBytes };
    }
    const { usedBytes } = await fileSystemSpace(await this.mount(volume));
    return { usedBytes, totalBytes: sizeBytes };
  }

  async list(kind: Volume["kind"]): Promise<Volume[]> {
    return (await this.#group.list()).flatMap(({ name }) => {
      const parsed = parseLogicalName(name);
      const isWanted = parsed?.volume.kind === kind && parsed.snapshot === undefined;
      return isWanted ? [parsed.volume] : [];
    });
  }

  // --- where the content is ---

  diskPath(volume: Volume, snapshot?: string): HostPath {
    return this.#group.device(logicalName(volume, snapshot));
  }

  // --- snapshots ---

  async snapshot(volume: Volume, snapshot: string) {
    await this.#snapshotOf(logicalName(volume), volume, snapshot);
  }

  async #snapshotOf(origin: string, volume: Volume, snapshot: string): Promise<void> {
    const name = await this.#requireFree(volume, snapshot);
    const isBtrfs = volume.content === "filesystem" && await this.#mounts.isBtrfs(origin);
    if (!isBtrfs) {
      return await this.#group.snapshot(origin, name, { isReadOnly: true });
    }
    await this.#build(name, async (lv) => {
      await this.#branch(origin, lv, volume);
      await this.#group.setWritable(lv, false);
    });
  }

  async restore(volume: Volume, snapshot: string) {
    const name = logicalName(volume);
    const origin = logicalName(volume, snapshot);
    await this.volumes.unmount(volume, snapshot);
    if (!this.#isThin) {
      await this.volumes.unmount(volume);
      await this.#fillFrom(origin, name, volume);
      return void await this.mount(volume);
    }
    const sizeBytes = (await this.#group.find(name))?.sizeBytes ?? 0;
    const fresh = `${NEW_PREFIX}${name}`;
    await this.#build(fresh, (lv) => this.#clone(origin, lv, volume, { sizeBytes }));
    try {
      await this.volumes.unmount(volume);
      await this.#group.remove(name);
    } catch (error) {
      // Somebody is in it, and it stays.
      if (await this.#group.has(name)) await this.#group.remove(fresh);
      throw error;
    }
    await this.#group.rename(fresh, name);
    await this.mount(volume);
  }

  async removeSnapshot(volume: Volume, snapshot: string) {
    await this.volumes.unmount(volume, snapshot);
    const name = logicalName(volume, snapshot);
    if (await this.#group.has(name)) await this.#group.remove(name);
    await this.volumes.forgetSnapshot(volume, snapshot);
  }

  async renameSnapshot(volume: Volume, snapshot: string, newName: string) {
    const name = await this.#requireFree(volume, newName);
    await this.volumes.unmount(volume, snapshot);
    await this.#group.rename(logicalName(volume, snapshot), name);
    await this.volumes.forgetSnapshot(volume, snapshot);
  }

  async listSnapshots(volume: Volume): Promise<string[]> {
    return (await this.#group.list()).flatMap(({ name }) => {
      const parsed = parseLogicalName(name);
      if (parsed === undefined || parsed.snapshot === undefined) return [];
      const { kind, name: theirs } = parsed.volume;
      return kind === volume.kind && theirs === volume.name ? [parsed.snapshot] : [];
    }).toSorted();
  }

  // --- the pool ---

  space() {
    return this.#group.space();
  }

  async open() {
    for (const folder of POOL_FOLDERS) {
      await Deno.mkdir(`${this.#deps.root}/${folder}`, { recursive: true, mode: 0o711 });
    }
    await this.volumes.sweep();
    const names = (await this.#group.list()).map(({ name }) => name);
    for (const name of names) {
      const whole = name.slice(NEW_PREFIX.length);
      if (name.startsWith(TEMPORARY_PREFIX)) await this.#group.remove(name);
      else if (!name.startsWith(NEW_PREFIX)) continue;
      else if (names.includes(whole)) await this.#group.remove(name);
      else await this.#group.rename(name, whole);
    }
    for (const name of names) {
      const fingerprint = /^images_([0-9a-f]+)_/.exec(name)?.[1];
      if (fingerprint === undefined || await this.#deps.imageExists(fingerprint)) continue;
      await this.#group.remove(name);
    }
  }
}
