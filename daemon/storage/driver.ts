/**
 * The contract of a storage driver. A pool is a directory tree; the driver decides what volumes are.
 * Generic code asks `can`, never for a driver's name. Callers hold the instance's lock.
 */
import type { HostPath } from "#base/brand.ts";
import type { RunningRoot, RunOptions } from "./service.ts";

export interface Capabilities {
  /** Does a clone cost nothing, or a copy of the data? */
  readonly clone: "instant" | "copy";
  readonly snapshot: "instant" | "copy";
  /** Can a size be enforced? */
  readonly quota: boolean;
}

/** Freezes an instance around a copy. */
export interface Freezer {
  freeze<T>(copy: () => Promise<T>): Promise<T>;
}

/** A volume of a pool by its name on disk ("web", "project_web"). */
export interface StorageDriver {
  readonly can: Capabilities;
  /** Once per image and pool; a second call does nothing. `unpack` fills an empty directory. */
  ensureImage(fingerprint: string, unpack: (directory: HostPath) => Promise<void>): Promise<void>;
  /** The image is gone: forget its tree as soon as nothing uses it. */
  dropImage(fingerprint: string): Promise<void>;

  /** Directory of a volume: metadata.yaml, templates/, backup.yaml, rootfs. Cost: none. */
  directory(name: string, snapshot?: string): HostPath;
  createEmpty(name: string): Promise<void>;
  createFromImage(name: string, fingerprint: string): Promise<void>;
  /** Independent copy of a volume or of one of its snapshots. */
  createFromVolume(
    name: string,
    source: string,
    snapshot?: string,
    running?: Freezer,
  ): Promise<void>;
  /** Two-phase: out of sight at once, removed in the background. Absent is no error. */
  remove(name: string): Promise<void>;
  rename(name: string, newName: string): Promise<void>;

  /** Ready to run: mounted with the container's ids. Idempotent. */
  present(name: string, options: RunOptions): Promise<RunningRoot>;
  /** Visible with plain ids. Idempotent. */
  presentStopped(name: string): Promise<void>;
  /** It runs already: its mounts are right. */
  adopt(name: string): void;
  /** Unmount everything of the volume. */
  withdraw(name: string): Promise<void>;

  snapshot(name: string, snapshot: string, running?: Freezer): Promise<void>;
  restore(name: string, snapshot: string): Promise<void>;
  removeSnapshot(name: string, snapshot: string): Promise<void>;
  renameSnapshot(name: string, snapshot: string, newName: string): Promise<void>;
  /** Names of the snapshots on disk. */
  listSnapshots(name: string): Promise<string[]>;
  /** Bytes that belong to this volume alone. Cost: a walk. */
  usage(name: string, snapshot?: string): Promise<number>;
  /** Turn a clone into a tree of its own; nothing to do for one that is. */
  flatten(name: string): Promise<void>;

  /** Daemon start: finish or undo half-done steps, collect garbage. */
  recover(): Promise<void>;
  /** Unmount all volumes of the pool. */
  close(): Promise<void>;
}
