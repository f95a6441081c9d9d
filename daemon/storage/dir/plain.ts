/**
 * Custom volumes of a `dir` pool: a directory each, or one that holds a disk. Copies share blocks where
 * the file system can.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import { entries, exists, removeIfEmpty, removeTree } from "#daemon/host/files.ts";
import { copyTree, treeBytes } from "#daemon/storage/copy_tree.ts";
import { DISK_FILE, growDisk, makeDisk } from "#daemon/storage/disk_file.ts";
import type { CopyOptions, CreateOptions, Usage } from "#daemon/storage/driver.ts";
import { requireSpace } from "#daemon/storage/space.ts";
import type { Trash } from "#daemon/storage/trash.ts";
import { FOLDERS, type Volume } from "#daemon/storage/volume.ts";
import { cannotLimit, type ProjectQuotas, requireRoom } from "./project_quota.ts";
import { cannotResizeUsed, type Fill, type SizedFolder, SizedFolders } from "./sized.ts";
import { exchange } from "#ffi/libc/rename.ts";

/** Of the files that limit volumes where there are no project quotas. */
export const SIZED_FOLDER = "custom-sized";

export interface PlainDeps {
  readonly root: HostPath;
  readonly trash: Trash;
  readonly quotas?: ProjectQuotas | undefined;
  /** Why files can't limit it either (sized.ts); undefined: they can. */
  readonly sizesMissing?: string | undefined;
  readonly onError: (what: string, error: unknown) => void;
}

/** One call at a time for each volume: callers hold its lock. */
export class PlainTrees {
  readonly #deps: PlainDeps;
  readonly #sized: SizedFolders;

  constructor(deps: PlainDeps) {
    this.#deps = deps;
    this.#sized = new SizedFolders(deps.trash);
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

  #sizedFolder(volume: Volume): SizedFolder {
    const image = hostPath(`${this.#deps.root}/${SIZED_FOLDER}/${volume.name}`);
    return { path: this.directory(volume), image };
  }

  /** @throws {Fault} conflict */
  async #requireFree(volume: Volume): Promise<void> {
    await requireFree(this.directory(volume), volume.name);
    // Of a volume whose making or removal did not come to its end.
    await this.#sized.discard(this.#sizedFolder(volume));
  }

  async create(volume: Volume, { sizeBytes = 0 }: CreateOptions): Promise<void> {
    await this.#requireFree(volume);
    if (volume.content !== "block") {
      return await this.#make(volume, { sizeBytes, mustFit: true }, () => Promise.resolve());
    }
    await this.#deps.trash.build(this.directory(volume), async (path) => {
      await Deno.mkdir(path, { mode: 0o711 });
      await makeDisk(path, sizeBytes);
    });
  }

  #requireSizes(sizeBytes: number): void {
    const { quotas, sizesMissing } = this.#deps;
    if (sizeBytes === 0 || quotas !== undefined || sizesMissing === undefined) return;
    throw cannotLimit(sizesMissing);
  }

  /** A file system with this limit; 0: none. */
  async #make(
    volume: Volume,
    { sizeBytes, mustFit }: { readonly sizeBytes: number; readonly mustFit: boolean },
    fill: Fill,
  ): Promise<void> {
    this.#requireSizes(sizeBytes);
    const { quotas, trash } = this.#deps;
    if (sizeBytes === 0 || quotas !== undefined) {
      return await trash.build(this.directory(volume), async (path) => {
        await Deno.mkdir(path, { mode: 0o711 });
        await fill(path);
        await quotas?.limit(path, sizeBytes, { mustFit });
      });
    }
    const folder = this.#sizedFolder(volume);
    await this.#sized.fill(folder, sizeBytes, async (path) => {
      await Deno.chmod(path, 0o711);
      await fill(path);
    });
    await this.#sized.show(folder);
  }

  async copy(target: Volume, source: Volume, options: CopyOptions): Promise<void> {
    await this.#requireFree(target);
    const snapshots = options.snapshots ??
      (options.withSnapshots === true ? await this.listSnapshots(source) : []);
    try {
      for (const one of snapshots) await this.#copyTo(source, one, this.directory(target, one));
      const from = this.directory(source, options.snapshot);
      const isDisk = target.content === "block";
      const sizeBytes = isDisk ? 0 : options.sizeBytes ?? 0;
      await this.#make(target, { sizeBytes, mustFit: false }, (path) => copyTo(from, path));
      if (isDisk && options.sizeBytes !== undefined) await this.resize(target, options.sizeBytes);
    } catch (error) {
      await this.remove(target);
      throw error;
    }
  }

  async #copyTo(source: Volume, snapshot: string | undefined, target: HostPath): Promise<void> {
    const from = this.directory(source, snapshot);
    await Deno.mkdir(parentOf(target), { recursive: true, mode: 0o711 });
    await this.#deps.trash.build(target, async (path) => {
      await Deno.mkdir(path, { mode: 0o711 });
      await copyTo(from, path);
    });
  }

  async remove(volume: Volume): Promise<void> {
    await this.#sized.discard(this.#sizedFolder(volume));
    await this.#deps.trash.discard(this.#snapshots(volume));
  }

  async rename(volume: Volume, newName: string): Promise<void> {
    const next = { ...volume, name: newName };
    await this.#requireFree(next);
    await using undo = new Undo();
    await this.#hide(volume);
    const move = async (from: Volume, to: Volume) => {
      if (await exists(this.directory(from))) {
        await Deno.rename(this.directory(from), this.directory(to));
      }
      if (await exists(this.#snapshots(from))) {
        await Deno.rename(this.#snapshots(from), this.#snapshots(to));
      }
    };
    const [image, nextImage] = [this.#sizedFolder(volume).image, this.#sizedFolder(next).image];
    // Under both names until the folder has the new one: no file, no content.
    if (await exists(image)) await Deno.link(image, nextImage);
    undo.add("show it again", () => this.show(volume));
    undo.add("the old name", async () => {
      await move(next, volume);
      await removeTree(nextImage);
    });
    await move(volume, next);
    undo.keep();
    await removeTree(image);
    await this.show(next);
  }

  /** Mount what a file limits. */
  async show(volume: Volume): Promise<void> {
    await this.#sized.show(this.#sizedFolder(volume));
  }

  async #hide(volume: Volume): Promise<void> {
    await this.#sized.hide(this.#sizedFolder(volume));
  }

  /** @param options.isUsed it can only be given a larger size than it has */
  async resize(
    volume: Volume,
    sizeBytes: number,
    { isUsed = false }: { readonly isUsed?: boolean } = {},
  ): Promise<void> {
    const { quotas } = this.#deps;
    const directory = this.directory(volume);
    if (volume.content === "block") return await growDisk(directory, sizeBytes);
    this.#requireSizes(sizeBytes);
    if (quotas !== undefined) return await quotas.limit(directory, sizeBytes);
    const folder = this.#sizedFolder(volume);
    const before = await this.#sized.sizeOf(folder);
    if (before === 0 && sizeBytes === 0) return;
    await this.show(volume);
    if (isUsed && (before === 0 || sizeBytes === 0)) throw cannotResizeUsed();
    if (before === 0) requireRoom(await treeBytes(directory), sizeBytes);
    try {
      if (before === 0) await this.#sized.fill(folder, sizeBytes, (to) => copyTo(directory, to));
      else if (sizeBytes === 0) await this.#sized.free(folder, (to) => copyTo(directory, to));
      else await this.#sized.resize(folder, sizeBytes, { isUsed });
    } finally {
      await this.show(volume);
    }
  }

  async usage(volume: Volume, snapshot?: string): Promise<Usage> {
    const directory = this.directory(volume, snapshot);
    const usedBytes = await treeBytes(directory);
    if (volume.content === "block") {
      return { usedBytes, totalBytes: (await Deno.stat(`${directory}/${DISK_FILE}`)).size };
    }
    return { usedBytes, totalBytes: snapshot === undefined ? await this.#limitOf(volume) : 0 };
  }

  async #limitOf(volume: Volume): Promise<number> {
    const { quotas } = this.#deps;
    if (quotas === undefined) return await this.#sized.sizeOf(this.#sizedFolder(volume));
    return (await quotas.show(this.directory(volume))).limitBytes;
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
    const { quotas, trash } = this.#deps;
    const from = this.directory(volume, snapshot);
    const folder = this.#sizedFolder(volume);
    const sizeBytes = await this.#sized.sizeOf(folder);
    if (sizeBytes > 0) {
      await this.#sized.fill(folder, sizeBytes, (path) => copyTo(from, path));
      return await this.show(volume);
    }
    const fresh = await trash.stage();
    try {
      await Deno.mkdir(fresh, { mode: 0o711 });
      await copyTo(from, fresh);
      const now = await quotas?.show(this.directory(volume));
      await quotas?.limit(fresh, now?.limitBytes ?? 0);
      exchange(fresh, this.directory(volume));
    } finally {
      // What was there before, or what did not become whole.
      await trash.discard(fresh);
    }
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

  async open(): Promise<void> {
    for (const volume of await this.#allSized()) {
      const folder = this.#sizedFolder(volume);
      if (!await exists(folder.path)) await this.#sized.discard(folder);
      else {
        await this.#sized.show(folder).catch((error) =>
          this.#deps.onError(`show volume "${volume.name}"`, error)
        );
      }
    }
  }

  async close(): Promise<void> {
    for (const volume of await this.#allSized()) await this.#hide(volume);
  }

  async #allSized(): Promise<Volume[]> {
    const names = await entries(hostPath(`${this.#deps.root}/${SIZED_FOLDER}`));
    return names.map((name) => ({ kind: "custom", content: "filesystem", name }));
  }
}

/** All that is in `source` into an empty directory, with its own owner and mode. */
async function copyTo(source: HostPath, target: HostPath): Promise<void> {
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
