/** Logical volumes as devices, and mounted. */
import type { HostPath } from "#base/brand.ts";
import { filesystemOf, mountDevice } from "#daemon/storage/block_filesystem.ts";
import { isMounted } from "#daemon/host/mounted.ts";
import { VolumeMounts } from "#daemon/storage/mounts.ts";
import type { Volume } from "#daemon/storage/volume.ts";
import type { VolumeGroup } from "./group.ts";
import { logicalName, parseLogicalName } from "./names.ts";

export interface MountDeps {
  readonly root: HostPath;
  readonly group: VolumeGroup;
  readonly defaults: Readonly<Record<string, string>>;
}

/** A volume is active while it is mounted or its device is used. */
export class LogicalMounts {
  readonly #deps: MountDeps;
  /** Where volumes are seen. */
  readonly volumes: VolumeMounts;

  constructor(deps: MountDeps) {
    this.#deps = deps;
    this.volumes = new VolumeMounts({
      root: deps.root,
      activate: async (volume, snapshot) => {
        await this.device(logicalName(volume, snapshot));
      },
      attach: (volume, snapshot, target) => this.#attach(volume, snapshot, target),
    });
  }

  async #attach(volume: Volume, snapshot: string | undefined, target: HostPath): Promise<void> {
    const device = await this.device(logicalName(volume, snapshot));
    const mountOptions = volume.config?.["block.mount_options"] ||
      this.#deps.defaults["block.mount_options"] || "discard";
    await mountDevice(device, target, { mountOptions, isReadOnly: snapshot !== undefined });
  }

  /** Active, so that the device is there. */
  async device(lv: string): Promise<HostPath> {
    await this.#deps.group.activate(lv);
    return this.#deps.group.device(lv);
  }

  /** Where the present state of a volume is mounted now. */
  async placeOf(lv: string): Promise<HostPath | undefined> {
    const { volume, snapshot } = parseLogicalName(lv) ?? {};
    if (volume === undefined || snapshot !== undefined) return undefined;
    const path = this.volumes.directory(volume);
    return await isMounted(path) ? path : undefined;
  }

  async isBtrfs(lv: string): Promise<boolean> {
    return await filesystemOf(await this.device(lv)) === "btrfs";
  }

  /** Mount for the time of `use`, somewhere else. */
  async within(
    lv: string,
    options: { readonly isReadOnly: boolean },
    use: (path: HostPath) => Promise<void>,
  ): Promise<void> {
    const device = await this.device(lv);
    await this.volumes.within(
      (target) => mountDevice(device, target, { ...options, mountOptions: "" }),
      use,
    );
  }
}
