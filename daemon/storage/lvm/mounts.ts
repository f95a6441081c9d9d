/** Where the logical volumes of a pool are seen. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { filesystemOf, mountDevice } from "#daemon/storage/block_filesystem.ts";
import { entries, removeIfEmpty } from "#daemon/storage/files.ts";
import { isMounted, mountTable, unmountFirmly } from "#daemon/storage/mounted.ts";
import { FOLDERS, type Volume } from "#daemon/storage/volume.ts";
import type { VolumeGroup } from "./group.ts";
import { logicalName } from "./names.ts";

export interface MountDeps {
  readonly root: HostPath;
  readonly group: VolumeGroup;
  readonly defaults: Readonly<Record<string, string>>;
}

export class LogicalMounts {
  readonly #deps: MountDeps;
  /** Views of snapshots: how many use each mount. */
  readonly #views = new Map<HostPath, number>();

  constructor(deps: MountDeps) {
    this.#deps = deps;
  }

  directory({ kind, name }: Volume, snapshot?: string): HostPath {
    const { root } = this.#deps;
    return hostPath(
      snapshot === undefined
        ? `${root}/${FOLDERS[kind].volumes}/${name}`
        : `${root}/${FOLDERS[kind].snapshots}/${name}/${snapshot}`,
    );
  }

  /** Active, so that the device is there. */
  async device(lv: string): Promise<HostPath> {
    await this.#deps.group.activate(lv);
    return this.#deps.group.device(lv);
  }

  async isBtrfs(lv: string): Promise<boolean> {
    return await filesystemOf(await this.device(lv)) === "btrfs";
  }

  async mount(volume: Volume, snapshot?: string): Promise<HostPath> {
    const target = this.directory(volume, snapshot);
    const device = await this.device(logicalName(volume, snapshot));
    if (volume.content === "block" || await isMounted(target)) return target;
    await Deno.mkdir(target, { recursive: true, mode: 0o711 });
    const mountOptions = volume.config?.["block.mount_options"] ||
      this.#deps.defaults["block.mount_options"] || "discard";
    await mountDevice(device, target, { mountOptions, isReadOnly: snapshot !== undefined });
    return target;
  }

  async view(volume: Volume, snapshot?: string) {
    const path = await this.mount(volume, snapshot);
    if (snapshot === undefined) return { path, [Symbol.asyncDispose]: () => Promise.resolve() };
    this.#views.set(path, (this.#views.get(path) ?? 0) + 1);
    return {
      path,
      [Symbol.asyncDispose]: async () => {
        const left = (this.#views.get(path) ?? 1) - 1;
        this.#views.set(path, left);
        if (left === 0) await unmountFirmly(path);
      },
    };
  }

  async unmount(volume: Volume, snapshot?: string): Promise<void> {
    await unmountFirmly(this.directory(volume, snapshot));
  }

  async unmountAll(volume: Volume): Promise<void> {
    for (const snapshot of await entries(this.#snapshots(volume))) {
      await this.unmount(volume, snapshot);
    }
    await this.unmount(volume);
  }

  #snapshots({ kind, name }: Volume): HostPath {
    return hostPath(`${this.#deps.root}/${FOLDERS[kind].snapshots}/${name}`);
  }

  /** Remove the mount points. */
  async forget(volume: Volume): Promise<void> {
    for (const snapshot of await entries(this.#snapshots(volume))) {
      await removeIfEmpty(this.directory(volume, snapshot));
    }
    await removeIfEmpty(this.#snapshots(volume));
    await removeIfEmpty(this.directory(volume));
  }

  async forgetSnapshot(volume: Volume, snapshot: string): Promise<void> {
    await removeIfEmpty(this.directory(volume, snapshot));
    await removeIfEmpty(this.#snapshots(volume));
  }

  /** Mount for the time of `use`, somewhere else. */
  async within(
    lv: string,
    options: { readonly isReadOnly: boolean },
    use: (path: HostPath) => Promise<void>,
  ): Promise<void> {
    const path = hostPath(`${this.#deps.root}/.mnt-${crypto.randomUUID()}`);
    await Deno.mkdir(path, { mode: 0o700 });
    try {
      await mountDevice(await this.device(lv), path, { ...options, mountOptions: "" });
      await use(path);
    } finally {
      await unmountFirmly(path);
      await removeIfEmpty(path);
    }
  }

  async close(): Promise<void> {
    const below = `${this.#deps.root}/`;
    for (const { target } of (await mountTable()).toReversed()) {
      if (target.startsWith(below)) await unmountFirmly(hostPath(target));
    }
  }
}
