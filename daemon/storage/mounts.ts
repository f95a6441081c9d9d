/** Where volumes of a pool are seen that must be mounted one by one. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { entries, removeIfEmpty } from "#daemon/host/files.ts";
import { isMounted, mountTable, unmountFirmly } from "#daemon/host/mounted.ts";
import { FOLDERS, type Volume } from "./volume.ts";

export interface MountSource {
  readonly root: HostPath;
  /** Mount a file system there; a snapshot read-only. */
  attach(volume: Volume, snapshot: string | undefined, target: HostPath): Promise<void>;
  /** Give a disk its device. */
  activate(volume: Volume, snapshot: string | undefined): Promise<void>;
}

/** Mount points for a moment, in the root of the pool. */
const WITHIN_PREFIX = ".mnt-";

/** What it remembers is of views; mounts themselves are asked of the kernel. */
export class VolumeMounts {
  readonly #source: MountSource;
  /** Views of snapshots: how many use each mount. */
  readonly #views = new Map<HostPath, number>();

  constructor(source: MountSource) {
    this.#source = source;
  }

  directory({ kind, name }: Volume, snapshot?: string): HostPath {
    const { root } = this.#source;
    return hostPath(
      snapshot === undefined
        ? `${root}/${FOLDERS[kind].volumes}/${name}`
        : `${root}/${FOLDERS[kind].snapshots}/${name}/${snapshot}`,
    );
  }

  async mount(volume: Volume, snapshot?: string): Promise<HostPath> {
    const target = this.directory(volume, snapshot);
    if (volume.content === "block") await this.#source.activate(volume, snapshot);
    else if (!await isMounted(target)) {
      await Deno.mkdir(target, { recursive: true, mode: 0o711 });
      await this.#source.attach(volume, snapshot, target);
    }
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
    return hostPath(`${this.#source.root}/${FOLDERS[kind].snapshots}/${name}`);
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
    attach: (target: HostPath) => Promise<void>,
    use: (path: HostPath) => Promise<void>,
  ): Promise<void> {
    const path = hostPath(`${this.#source.root}/${WITHIN_PREFIX}${crypto.randomUUID()}`);
    await Deno.mkdir(path, { mode: 0o700 });
    try {
      await attach(path);
      await use(path);
    } finally {
      await unmountFirmly(path);
      await removeIfEmpty(path);
    }
  }

  /** Start of the pool: what a crash left of `within` would hold what is half-made. */
  async sweep(): Promise<void> {
    const { root } = this.#source;
    for (const name of await entries(root)) {
      if (!name.startsWith(WITHIN_PREFIX)) continue;
      await unmountFirmly(hostPath(`${root}/${name}`));
      await removeIfEmpty(hostPath(`${root}/${name}`));
    }
  }

  /** Unmount all below the pool's root. */
  async close(): Promise<void> {
    const below = `${this.#source.root}/`;
    for (const { target } of (await mountTable()).toReversed()) {
      if (target.startsWith(below)) await unmountFirmly(hostPath(target));
    }
  }
}
