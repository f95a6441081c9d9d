/**
 * The contract of a storage driver. A driver serves one open pool; generic code asks `can`, never for a
 * driver's name. Volumes are named as on disk. Callers hold the volume's lock (the instance's, or that
 * of the custom volume): no two methods run on one volume at a time, but many on different volumes.
 *
 * Every method that makes something removes what it made if it fails. What a crash leaves is removed
 * or finished by `open` (the next start), so that a name is either whole or free.
 *
 *     const driver = await pools.driver("default");
 *     const volume = customVolume("default", "data", { content: "filesystem" });
 *     await driver.create(volume, { sizeBytes: 1 << 30 });
 *     const path = await driver.mount(volume);         // the data itself, ids unshifted
 *     await driver.snapshot(volume, "snap0");
 *     await driver.copy(customVolume("default", "data2"), volume, { withSnapshots: true });
 */
import type { HostPath } from "#base/brand.ts";
import type { RunningRoot, RunOptions } from "./service.ts";
import type { Volume } from "./volume.ts";

export interface Capabilities {
  /** Does a clone of an image or instance cost nothing, or a copy of the data? */
  readonly clone: "instant" | "copy";
  readonly snapshot: "instant" | "copy";
  /** Can a size be enforced? If not, `resize` and `sizeBytes` are refused with the reason. */
  readonly quota: boolean;
  /** May a snapshot that is not the newest be restored without losing those after it? */
  readonly restoreOlder: boolean;
  /** Custom volumes that are disks (content "block"). */
  readonly block: boolean;
  /** Is an unpacked image a volume, shown in lists? (As in LXD of all drivers but `dir`.) */
  readonly imageVolumes: boolean;
  /** Can its mounts map ids? If not, trees are shifted on disk, and `present` is asked for no map. */
  readonly idMounts: boolean;
}

/** Freezes an instance around a copy. */
export interface Freezer {
  freeze<T>(copy: () => Promise<T>): Promise<T>;
}

export interface CreateOptions {
  /** undefined or 0: no limit (a block volume and lvm then get their default size). */
  readonly sizeBytes?: number;
  readonly signal?: AbortSignal;
}

export interface CopyOptions extends CreateOptions {
  /** Copy this snapshot; undefined: the present state. */
  readonly snapshot?: string;
  /** All snapshots too (only with the present state). */
  readonly withSnapshots?: boolean;
  /** Only these snapshots too, oldest first; wins over `withSnapshots`. */
  readonly snapshots?: readonly string[];
  /** The source runs: copy while it is frozen. */
  readonly running?: Freezer;
}

export interface Usage {
  readonly usedBytes: number;
  /** 0: no limit. */
  readonly totalBytes: number;
  /** The file system keeps no count: `usedBytes` cost a walk, and is not shown for instances, as in LXD. */
  readonly isUncounted?: true;
}

export interface PoolSpace {
  readonly usedBytes: number;
  readonly totalBytes: number;
  /** What may still be written; less than what is not used where some is kept for root. */
  readonly freeBytes: number;
  /** 0 where inodes are made as needed. */
  readonly inodesUsed: number;
  readonly inodesTotal: number;
}

/** One piece of a volume in the driver's own format. */
export interface StreamPart {
  /** Within the volume: "" is the volume itself, "rootfs/a" a subvolume in it. */
  readonly path: string;
  readonly isReadOnly: boolean;
  readonly stream: ReadableStream<Uint8Array>;
}

/**
 * A session that sends states of one volume, oldest first, each as what changed since the one before.
 * Read each part's stream to its end before you ask for the next part.
 */
export interface StreamSender extends AsyncDisposable {
  send(volume: Volume, snapshot?: string, signal?: AbortSignal): AsyncIterable<StreamPart>;
}

/** The other end: with `snapshot` a snapshot is made, without it the volume, as the last thing. */
export interface StreamReceiver extends AsyncDisposable {
  receive(
    volume: Volume,
    parts: AsyncIterable<StreamPart>,
    options?: CreateOptions & { readonly snapshot?: string },
  ): Promise<void>;
}

/** Whole volumes in the driver's own format, for other pools of its kind and for backups. */
export interface Streams {
  readonly format: string;
  sender(): Promise<StreamSender>;
  receiver(): Promise<StreamReceiver>;
}

/** The last, short step of something that was prepared: the volume's user holds its lock. */
export type Swap = () => Promise<void>;

export interface StorageDriver {
  readonly can: Capabilities;
  /** undefined: it has no format of its own. */
  readonly streams?: Streams;

  // --- images: unpacked once per pool, cloned by instances ---

  /** A second call does nothing. `unpack` fills an empty directory with rootfs, metadata.yaml, templates/. */
  ensureImage(fingerprint: string, unpack: (directory: HostPath) => Promise<void>): Promise<void>;
  /** Is it unpacked here? */
  hasImage(fingerprint: string): Promise<boolean>;
  /** The image is gone: forget its tree as soon as nothing uses it. Absent is no error. */
  dropImage(fingerprint: string): Promise<void>;

  // --- volumes ---

  /** An empty volume; a container gets an empty rootfs. @throws {Fault} conflict, no_space, bad_request */
  create(volume: Volume, options?: CreateOptions): Promise<void>;
  createFromImage(volume: Volume, fingerprint: string, options?: CreateOptions): Promise<void>;
  /** An independent copy within the pool, as cheap as the driver can. Kinds and contents must be the same. */
  copy(target: Volume, source: Volume, options?: CopyOptions): Promise<void>;
  /** With its snapshots. Two-phase: out of sight at once. Absent is no error. */
  remove(volume: Volume): Promise<void>;
  /** With its snapshots; not in use. */
  rename(volume: Volume, newName: string): Promise<void>;
  /**
   * Change the limit now; 0: none. In use or not, where the driver can; of a custom volume the caller
   * says whether it is used.
   *
   * @throws {Fault} bad_request
   */
  resize(volume: Volume, sizeBytes: number, use?: { readonly isUsed: boolean }): Promise<void>;
  /** Bytes that belong to this volume (or snapshot) alone. Cost: up to a walk. */
  usage(volume: Volume, snapshot?: string): Promise<Usage>;
  /** Names on disk of this kind: for recovery. Cost: a listing. */
  list(kind: Volume["kind"]): Promise<readonly Volume[]>;

  // --- where the content is ---

  /**
   * Where a volume is or will be seen: for a container the directory of metadata.yaml, templates/,
   * backup.yaml and rootfs; for a custom file system the data; for a disk the directory of `root.img`.
   * Cost: none; nothing is mounted.
   */
  directory(volume: Volume, snapshot?: string): HostPath;
  /**
   * Make it visible at `directory`: with plain ids, but a container that runs keeps its own; snapshots
   * read-only. Idempotent. @returns `directory`.
   */
  mount(volume: Volume, snapshot?: string): Promise<HostPath>;
  /**
   * The content with plain ids whether it runs or not, for copies and exports: a directory as `mount`
   * returns it, of a container that runs perhaps only `rootfs`. Freeze it while its view is read.
   * Dispose the view after use.
   */
  view(volume: Volume, snapshot?: string): Promise<{ readonly path: HostPath } & AsyncDisposable>;
  /** Unmount everything of the volume, snapshots too. Idempotent. */
  unmount(volume: Volume): Promise<void>;
  /** A container, ready to run: mounted with its ids. Idempotent. */
  present(volume: Volume, options: RunOptions): Promise<RunningRoot>;
  /** A container runs already, presented by the daemon before this one: its mounts are right. */
  adopt(volume: Volume): void;
  /** A container runs no more: show it with plain ids again. Idempotent. */
  settle(volume: Volume): Promise<void>;
  /** The file or device that holds the bytes of a block volume. Mount it first. */
  diskPath(volume: Volume, snapshot?: string): HostPath;

  // --- snapshots ---

  /** @throws {Fault} conflict if the name is taken. */
  snapshot(volume: Volume, snapshot: string, running?: Freezer): Promise<void>;
  /**
   * Prepare a shorter way to what lies below the volume, where a snapshot has made it long: takes time,
   * but no lock. @returns what puts it in place; undefined if there is nothing to do.
   */
  shorten?(volume: Volume, snapshot: string): Promise<Swap | undefined>;
  /** The volume is not in use. `can.restoreOlder` false: later snapshots must be gone. */
  restore(volume: Volume, snapshot: string): Promise<void>;
  /** Absent is no error. */
  removeSnapshot(volume: Volume, snapshot: string): Promise<void>;
  renameSnapshot(volume: Volume, snapshot: string, newName: string): Promise<void>;
  /** Names on disk, oldest first where the driver knows, else sorted. */
  listSnapshots(volume: Volume): Promise<readonly string[]>;

  // --- the pool ---

  /** Turn a clone into a tree of its own; nothing to do for one that is. */
  flatten(volume: Volume): Promise<void>;
  space(): Promise<PoolSpace>;
  /** Called once before all else: finish or undo half-done steps, collect garbage. */
  open(): Promise<void>;
  /** Unmount all volumes of the pool and wait for the background. */
  close(): Promise<void>;
}
