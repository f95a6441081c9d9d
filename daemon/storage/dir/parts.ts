/**
 * The two parts of a container's directory that hold its own data, one of them at a time: `overlay` (upper
 * and work), or `rootfs` where it is a tree of its own. Each can be limited by a file beside it.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { isEmptyDirectory } from "#daemon/host/files.ts";
import type { Trash } from "#daemon/storage/trash.ts";
import type { Manifest } from "./manifest.ts";
import { type Fill, type SizedFolder, SizedFolders } from "./sized.ts";

const PART_OF = { overlay: "overlay", plain: "rootfs" } as const;

/** The folder, and the file that limits it. */
export function partOf(directory: HostPath, kind: Manifest["kind"]): SizedFolder {
  const path = `${directory}/${PART_OF[kind]}`;
  return { path: hostPath(path), image: hostPath(`${path}.img`) };
}

/** One call at a time for each volume: callers hold its lock. */
export class Parts {
  readonly #trash: Trash;
  readonly sized: SizedFolders;

  constructor(trash: Trash) {
    this.#trash = trash;
    this.sized = new SizedFolders(trash);
  }

  async show(directory: HostPath, kind: Manifest["kind"]): Promise<void> {
    await this.sized.show(partOf(directory, kind));
  }

  async hide(directory: HostPath): Promise<void> {
    await this.sized.hide(partOf(directory, "overlay"));
    await this.sized.hide(partOf(directory, "plain"));
  }

  /** Bytes that a file allows it; 0: none does. */
  async sizeOf(directory: HostPath, kind: Manifest["kind"]): Promise<number> {
    return await this.sized.sizeOf(partOf(directory, kind));
  }

  /** An upper, which may be there; empty where `sizeBytes` is given. */
  async makeUpper(directory: HostPath, sizeBytes = 0): Promise<void> {
    const overlay = partOf(directory, "overlay");
    if (sizeBytes > 0) await this.sized.fill(overlay, sizeBytes, addUpper);
    await this.sized.show(overlay);
    await addUpper(overlay.path);
  }

  /** A tree where there is none, under an empty directory where it will be seen. */
  async makeRootfs(directory: HostPath, sizeBytes: number, fill: Fill): Promise<void> {
    const rootfs = partOf(directory, "plain");
    await Deno.mkdir(rootfs.path, { mode: 0o755 });
    if (sizeBytes === 0) return await fill(rootfs.path);
    await this.sized.fill(rootfs, sizeBytes, async (path) => {
      await Deno.chmod(path, 0o755);
      await fill(path);
    });
  }

  /** Throw away what is in the upper. */
  async emptyUpper(directory: HostPath): Promise<void> {
    const sizeBytes = await this.sizeOf(directory, "overlay");
    if (sizeBytes > 0) {
      return await this.sized.fill(partOf(directory, "overlay"), sizeBytes, addUpper);
    }
    await this.#trash.discard(hostPath(`${directory}/overlay/upper`));
  }

  /** It is no more made of this part. The mount point of an overlay stays. */
  async drop(directory: HostPath, kind: Manifest["kind"]): Promise<void> {
    const part = partOf(directory, kind);
    const isPoint = kind === "plain" && await this.sized.sizeOf(part) === 0 &&
      await isEmptyDirectory(part.path);
    if (isPoint) return;
    await this.sized.discard(part);
    if (kind === "plain") await Deno.mkdir(part.path, { mode: 0o755 });
  }
}

async function addUpper(path: HostPath): Promise<void> {
  await Deno.mkdir(`${path}/upper`, { recursive: true, mode: 0o755 });
  await Deno.chmod(`${path}/upper`, 0o755);
}
