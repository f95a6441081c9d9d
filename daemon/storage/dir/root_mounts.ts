/** How the roots of a `dir` pool's containers and snapshots are seen: overlays, or trees of their own. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { removeTree } from "#daemon/host/files.ts";
import type { RunningRoot, RunOptions } from "#daemon/storage/service.ts";
import type { UserNamespaces } from "#daemon/storage/user_namespaces.ts";
import { bindMount, detachAside } from "#ffi/libc/mount.ts";
import { mountOverlay } from "#ffi/libc/overlay.ts";
import type { Layers } from "./layers.ts";

/** By the directories of volumes and snapshots. */
export class RootMounts {
  readonly #layers: Layers;
  readonly #namespaces: UserNamespaces;
  /** How the root of a container is seen now: with plain ids, or with those that it runs with. */
  readonly #shown = new Map<HostPath, "plain" | "running">();

  constructor(layers: Layers, namespaces: UserNamespaces) {
    this.#layers = layers;
    this.#namespaces = namespaces;
  }

  isRunning(directory: HostPath): boolean {
    return this.#shown.get(directory) === "running";
  }

  /** It runs already: its mounts were made by the daemon before this one. */
  adopt(directory: HostPath): void {
    this.#shown.set(directory, "running");
  }

  async present(directory: HostPath, options: RunOptions): Promise<RunningRoot> {
    const manifest = await this.#layers.load(directory);
    const path = rootfsOf(directory);
    await this.hide(directory);
    this.#shown.set(directory, "running");
    await this.#layers.parts.show(directory, manifest.kind);
    if (manifest.kind === "plain") return { path, lxcIdmap: options.idmap !== null };
    await freshWork(directory);
    using lower = options.idmap === null ? undefined : await this.#namespaces.lower(options.idmap);
    using upper = options.idmap === null ? undefined : await this.#namespaces.upper(options.idmap);
    mountOverlay({
      lowers: this.#layers.paths(manifest),
      upperParent: `${directory}/overlay`,
      target: path,
      ...(lower !== undefined && { lowerNamespace: lower.fd }),
      ...(upper !== undefined && { upperNamespace: upper.fd }),
    });
    return { path, lxcIdmap: false };
  }

  /** With plain ids, unless it runs. */
  async mount(directory: HostPath): Promise<void> {
    if (this.#shown.has(directory)) return;
    const manifest = await this.#layers.load(directory);
    await this.hide(directory);
    await this.#layers.parts.show(directory, manifest.kind);
    this.#shown.set(directory, "plain");
    if (manifest.kind !== "overlay") return;
    try {
      await freshWork(directory);
      mountOverlay({
        lowers: this.#layers.paths(manifest),
        upperParent: `${directory}/overlay`,
        target: rootfsOf(directory),
        isVolatile: true, // Nobody syncs through it, and its end need not wait for the disk.
      });
    } catch (error) {
      this.#shown.delete(directory);
      throw error;
    }
  }

  /** Of the root of a volume or snapshot nothing is mounted then. */
  async hide(directory: HostPath): Promise<void> {
    try {
      while (await detachAside(rootfsOf(directory)));
    } finally {
      this.#shown.delete(directory); // Whatever became of it, it is not seen as it was.
    }
  }

  /** It runs no more: seen with plain ids again. */
  async settle(directory: HostPath): Promise<void> {
    await this.hide(directory);
    await this.mount(directory);
  }

  /** Nothing below its directory is mounted then. */
  async unmount(directory: HostPath): Promise<void> {
    await this.hide(directory);
    await this.#layers.parts.hide(directory);
  }

  async mountSnapshot(directory: HostPath): Promise<void> {
    const manifest = await this.#layers.load(directory);
    if (manifest.kind !== "overlay") return;
    await detachAside(rootfsOf(directory));
    showReadOnly(this.#layers.paths(manifest), rootfsOf(directory));
  }

  /** The tree of a container that runs, read-only and with plain ids, at an empty directory. */
  async mountView(directory: HostPath, target: HostPath): Promise<void> {
    const manifest = await this.#layers.load(directory);
    await this.#layers.parts.show(directory, manifest.kind);
    if (manifest.kind === "plain") {
      return bindMount(rootfsOf(directory), target, { readOnly: true });
    }
    showReadOnly([`${directory}/overlay/upper`, ...this.#layers.paths(manifest)], target);
  }
}

function rootfsOf(directory: HostPath): HostPath {
  return hostPath(`${directory}/rootfs`);
}

/** An overlay without an upper needs two layers. */
function showReadOnly(lowers: readonly string[], target: HostPath): void {
  const [only] = lowers;
  if (lowers.length === 1 && only !== undefined) {
    bindMount(only, target, { readOnly: true });
  } else mountOverlay({ lowers, target });
}

/** A leftover of another user id in work/ would make the mount read-only without a word. */
async function freshWork(directory: HostPath): Promise<void> {
  await removeTree(hostPath(`${directory}/overlay/work`));
  await Deno.mkdir(`${directory}/overlay/work`, { recursive: true, mode: 0o700 });
}
