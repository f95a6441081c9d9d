/**
 * Custom volumes of a `dir` pool: a directory each, or one that holds a disk. Copies share blocks where
 * the file system can.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { copyTree, treeBytes } from "#daemon/storage/copy_tree.ts";
import { DISK_FILE, growDisk, makeDisk } from "#daemon/storage/disk_file.ts";
import type { CopyOptions, CreateOptions, Usage } from "#daemon/storage/driver.ts";
import { entries, exists, removeIfEmpty } from "#daemon/storage/files.ts";
import { requireSpace } from "#daemon/storage/space.ts";
import type { Trash } from "#daemon/storage/trash.ts";
import { FOLDERS, type Volume } from "#daemon/storage/volume.ts";
import { cannotLimit, type ProjectQuotas } from "./project_quota.ts";
import { exchange } from "#ffi/libc/rename.ts";

export interface PlainDeps {
  readonly root: HostPath;
  readonly trash: Trash;
  readonly quotas?: ProjectQuotas | undefined;
}

export class PlainTrees {
  readonly #deps: PlainDeps;

  constructor(deps: PlainDeps) {
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

  #snapshots({ kind, name }: Volume): HostPath {
    return hostPath(`${this.#deps.root}/${FOLDERS[kind].snapshots}/${name}`);
  }

  async create(volume: Volume, options: CreateOptions): Promise<void> {
    await requireFree(this.directory(volume), volume.name);
    if (volume.content !== "block") this.#requireLimits(options);
    await this.#deps.trash.build(this.directory(volume), async (path) => {
      await Deno.mkdir(path, { mode: 0o711 });
      if (volume.content === "block") await makeDisk(path, options.sizeBytes);
      else await this.#limit(path, options.sizeBytes);
    });
  }

  #requireLimits({ sizeBytes = 0 }: CreateOptions): void {
    if (sizeBytes > 0 && this.#deps.quotas === undefined) throw cannotLimit();
  }

  async #limit(path: HostPath, sizeBytes = 0): Promise<void> {
    this.#requireLimits({ sizeBytes });
    await this.#deps.quotas?.limit(path, sizeBytes);
  }

  async copy(target: Volume, source: Volume, options: CopyOptions): Promise<void> {
    await requireFree(this.directory(target), target.name);
    if (target.content !== "block") this.#requireLimits(options);
    const snapshots = options.snapshots ??
      (options.withSnapshots === true ? await this.listSnapshots(source) : []);
    try {
      for (const one of snapshots) await this.#copyTo(source, one, this.directory(target, one));
      await this.#copyTo(source, options.snapshot, this.directory(target));
      if (options.sizeBytes !== undefined) await this.resize(target, options.sizeBytes);
    } catch (error) {
      await this.remove(target);
      throw error;
    }
  }

  async #copyTo(source: Volume, snapshot: string | undefined, target: HostPath): Promise<void> {
    const from = this.directory(source, snapshot);
    await Deno.mkdir(parentOf(target), { recursive: true, mode: 0o711 });
    await this.#deps.trash.build(target, (path) => copyTo(from, path));
  }

  async remove(volume: Volume): Promise<void> {
    await this.#deps.trash.discard(this.directory(volume));
    await this.#deps.trash.discard(this.#snapshots(volume));
  }

  async rename(volume: Volume, newName: string): Promise<void> {
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

  async resize(volume: Volume, sizeBytes: number): Promise<void> {
    if (volume.content === "block") return await growDisk(this.directory(volume), sizeBytes);
    await this.#limit(this.directory(volume), sizeBytes);
  }

  async usage(volume: Volume, snapshot?: string): Promise<Usage> {
    const directory = this.directory(volume, snapshot);
    const usedBytes = await treeBytes(directory);
    if (volume.content !== "block") {
      const limit = snapshot === undefined ? await this.#deps.quotas?.show(directory) : undefined;
      return { usedBytes, totalBytes: limit?.limitBytes ?? 0 };
    }
    return { usedBytes, totalBytes: (await Deno.stat(`${directory}/${DISK_FILE}`)).size };
  }

  async list(kind: Volume["kind"]): Promise<Volume[]> {
    const names = await entries(hostPath(`${this.#deps.root}/${FOLDERS[kind].volumes}`));
    return await Promise.all(names.map(async (name): Promise<Volume> => {
      const isDisk = kind === "custom" &&
        await exists(`${this.directory({ kind, name, content: "block" })}/${DISK_FILE}`);
      return { kind, name, content: isDisk ? "block" : "filesystem" };
    }));
  }

  async snapshot(volume: Volume, snapshot: string): Promise<void> {
    const target = this.directory(volume, snapshot);
    await requireFree(target, `${volume.name}/${snapshot}`);
    await this.#copyTo(volume, undefined, target);
  }

  async restore(volume: Volume, snapshot: string): Promise<void> {
    const fresh = await this.#deps.trash.stage();
    await copyTo(this.directory(volume, snapshot), fresh);
    const now = await this.#deps.quotas?.show(this.directory(volume));
    await this.#limit(fresh, now?.limitBytes);
    exchange(fresh, this.directory(volume));
    await this.#deps.trash.discard(fresh);
  }

  async removeSnapshot(volume: Volume, snapshot: string): Promise<void> {
    await this.#deps.trash.discard(this.directory(volume, snapshot));
    await removeIfEmpty(this.#snapshots(volume));
  }

  async renameSnapshot(volume: Volume, snapshot: string, newName: string): Promise<void> {
    await requireFree(this.directory(volume, newName), `${volume.name}/${newName}`);
    await Deno.rename(this.directory(volume, snapshot), this.directory(volume, newName));
  }

  async listSnapshots(volume: Volume): Promise<string[]> {
    return await entries(this.#snapshots(volume));
  }
}

/** A new directory with all that is in `source`, and its own owner and mode. */
async function copyTo(source: HostPath, target: HostPath): Promise<void> {
  await Deno.mkdir(target, { mode: 0o711 });
  await requireSpace(target, await treeBytes(source), "copy the volume");
  await copyTree(source, target);
}

async function requireFree(path: HostPath, name: string): Promise<void> {
  if (!await exists(path)) return;
  throw new Fault("conflict", `a volume "${name}" exists already on this storage pool`);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
