/** Making and resizing logical volumes with what is on them. */
import type { HostPath } from "#base/brand.ts";
import { parseBytes } from "#base/units.ts";
import {
  type Filesystem,
  FILESYSTEMS,
  growFilesystem,
  makeFilesystem,
  shrinkFilesystem,
} from "#daemon/storage/block_filesystem.ts";
import { cannotShrink } from "#daemon/storage/disk_file.ts";
import type { CreateOptions } from "#daemon/storage/driver.ts";
import { DEFAULT_DISK_BYTES, type Volume } from "#daemon/storage/volume.ts";
import { roundUp, type VolumeGroup } from "./group.ts";
import type { LogicalMounts, MountDeps } from "./mounts.ts";
import { logicalName } from "./names.ts";

/** Of lvcreate(8). Pure. */
export function stripeOptions(stripes = "", stripeSize = ""): readonly string[] {
  return [
    ...(stripes === "" ? [] : ["--stripes", stripes]),
    ...(stripeSize === "" ? [] : ["--stripesize", `${parseBytes(stripeSize)}b`]),
  ];
}

/** File systems shrink first and grow last. @see resize2fs(8) */
export class Sizes {
  readonly #group: VolumeGroup;
  readonly #defaults: Readonly<Record<string, string>>;
  readonly #mounts: LogicalMounts;

  constructor(deps: MountDeps, mounts: LogicalMounts) {
    this.#group = deps.group;
    this.#defaults = deps.defaults;
    this.#mounts = mounts;
  }

  #option(key: string, volume?: Volume): string {
    return volume?.config?.[key] || this.#defaults[key] || "";
  }

  filesystem(volume?: Volume): Filesystem {
    const wanted = this.#option("block.filesystem", volume);
    return FILESYSTEMS.find((one) => one === wanted) ?? "ext4";
  }

  /** A bare device. */
  async create(lv: string, volume: Volume | undefined, options: CreateOptions): Promise<void> {
    const fallback = this.#option("size", volume);
    const bytes = options.sizeBytes ||
      (fallback === "" ? DEFAULT_DISK_BYTES : parseBytes(fallback));
    // A thin pool is striped as a whole.
    const striped = this.#group.thinPool === undefined
      ? stripeOptions(this.#option("lvm.stripes", volume), this.#option("lvm.stripes.size", volume))
      : [];
    await this.#group.create(lv, bytes, striped);
  }

  async createFilesystem(
    lv: string,
    volume: Volume | undefined,
    options: CreateOptions,
  ): Promise<void> {
    await this.create(lv, volume, options);
    await makeFilesystem(await this.#mounts.device(lv), this.filesystem(volume));
  }

  /** One that is mounted nowhere. */
  async resize(lv: string, volume: Volume, sizeBytes: number): Promise<void> {
    const before = (await this.#group.find(lv))?.sizeBytes ?? 0;
    const bytes = roundUp(sizeBytes);
    if (bytes === before) return;
    if (volume.content === "block") {
      if (bytes < before) throw cannotShrink();
      return await this.#group.resize(lv, bytes);
    }
    if (bytes < before) {
      await this.#shrink(lv, bytes);
      return await this.#group.resize(lv, bytes);
    }
    const device = await this.#mounts.device(lv);
    await this.#group.resize(lv, bytes);
    await this.#mounts.within(lv, { isReadOnly: false }, (path) => growFilesystem(device, path));
  }

  /** The file system alone, of one that is mounted nowhere: a btrfs shrinks only while it is. */
  async #shrink(lv: string, bytes: number): Promise<void> {
    const device = await this.#mounts.device(lv);
    if (!await this.#mounts.isBtrfs(lv)) return await shrinkFilesystem(device, bytes, undefined);
    const shrink = (path: HostPath) => shrinkFilesystem(device, bytes, path);
    await this.#mounts.within(lv, { isReadOnly: false }, shrink);
  }

  /** It may be in use: growing needs no pause. */
  async resizeMounted(volume: Volume, sizeBytes: number): Promise<void> {
    const lv = logicalName(volume);
    const before = (await this.#group.find(lv))?.sizeBytes ?? 0;
    const bytes = roundUp(sizeBytes);
    if (bytes === before) return;
    if (await this.#group.isOrigin(lv)) return await this.#resizeOrigin(volume, before, bytes);
    const path = await this.#mounts.volumes.mount(volume);
    if (volume.content === "block") return await this.resize(lv, volume, bytes);
    const device = await this.#mounts.device(lv);
    if (bytes > before) {
      await this.#group.resize(lv, bytes);
      // resize2fs(8) looks for its name among the mounts, where a renamed group still has the old one.
      const grow = (own: HostPath) => growFilesystem(device, own);
      return await this.#mounts.within(lv, { isReadOnly: false }, grow);
    }
    const isOnline = await this.#mounts.isBtrfs(lv);
    if (!isOnline) await this.#mounts.volumes.unmount(volume);
    try {
      await shrinkFilesystem(device, bytes, isOnline ? path : undefined);
      await this.#group.resize(lv, bytes);
    } finally {
      await this.#mounts.volumes.mount(volume);
    }
  }

  /** One with snapshots in no thin pool: LVM resizes it only while it is inactive. */
  async #resizeOrigin(volume: Volume, before: number, bytes: number): Promise<void> {
    const isDisk = volume.content === "block";
    if (isDisk && bytes < before) throw cannotShrink();
    const lv = logicalName(volume);
    const device = await this.#mounts.device(lv);
    await this.#mounts.volumes.unmountAll(volume);
    try {
      if (bytes < before) await this.#shrink(lv, bytes);
      await this.#group.deactivate(lv);
      await this.#group.resize(lv, bytes);
    } finally {
      await this.#group.activate(lv);
      await this.#mounts.volumes.mount(volume);
    }
    if (isDisk || bytes < before) return;
    await growFilesystem(device, this.#mounts.volumes.directory(volume));
  }
}
