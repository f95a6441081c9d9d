/**
 * Storage: the contract between pools and the rest of the daemon. Ids of instances on disk are not
 * shifted where mounts can map them; where they are, volatile.last_state.idmap says by which map.
 */
import type { HostPath } from "#base/brand.ts";
import type { StreamPart } from "./driver.ts";
import type { Located, SnapshotSteps } from "./transfer.ts";
import type { IdMap } from "#daemon/idmap/idmap.ts";
import type { HeldNamespace } from "./user_namespaces.ts";
import type { DiskMap, ShiftState } from "./shift.ts";

/** The root volume of an instance. */
export interface InstanceVolume {
  readonly pool: string;
  readonly project: string;
  /** Instance name, without a snapshot. */
  readonly name: string;
}

export type VolumeSource =
  | { readonly kind: "empty" }
  | { readonly kind: "image"; readonly fingerprint: string }
  /** `snapshot` undefined: the current state. `withSnapshots` copies its snapshots too. */
  | {
    readonly kind: "instance";
    readonly volume: InstanceVolume;
    readonly snapshot?: string;
    readonly withSnapshots?: boolean;
    /** The source runs: copy while frozen, or refuse. `freeze` runs `copy` with the instance frozen. */
    readonly running?: { freeze<T>(copy: () => Promise<T>): Promise<T> };
  };

export interface RunOptions {
  /** null: privileged. */
  readonly idmap: IdMap | null;
  /** security.nesting: the root must be a plain directory (an overlay can't carry another's upper). */
  readonly plainRoot: boolean;
  readonly signal?: AbortSignal;
}

/** The root of an instance, ready for liblxc. */
export interface RunningRoot {
  /** lxc.rootfs.path = dir:<path>. Ids seen there are already the container's (mapped by the mount). */
  readonly path: HostPath;
  /** `lxc.rootfs.options = idmap=container` is wanted (plain directory on a file system with idmaps). */
  readonly lxcIdmap: boolean;
}

export interface VolumeUsage {
  readonly usedBytes: number;
  /** 0: no quota. */
  readonly totalBytes: number;
  readonly isUncounted?: true;
}

export interface ShiftWish {
  readonly state: ShiftState;
  readonly target: DiskMap;
  readonly note: (state: ShiftState) => Promise<void>;
  readonly signal?: AbortSignal;
}

/** An instance that is about to have a custom volume among its mounts. */
export interface VolumeUser {
  readonly id: number;
  readonly name: string;
  /** The project of the instance. */
  readonly project: string;
  readonly idmap: IdMap | null;
}

/** Storage of instances. Every method takes the instance's lock for granted (its caller holds it). */
export interface InstanceStorage {
  /**
   * Make the root volume. An image is unpacked once per pool and shared. Afterwards the instance
   * directory has rootfs, metadata.yaml and templates/ and is presented as stopped.
   *
   * @throws {Fault} no_space, conflict (exists), not_found (image)
   */
  create(
    volume: InstanceVolume,
    source: VolumeSource,
    options?: { signal?: AbortSignal; sizeBytes?: number },
  ): Promise<void>;
  /** Idempotent: an absent or half-deleted volume is no error. Snapshots go too. */
  delete(volume: InstanceVolume): Promise<void>;
  /** A second call finishes one that was cut off. */
  rename(volume: InstanceVolume, newName: string): Promise<void>;
  /** Change the quota now (0: none). @throws {Fault} bad_request if it can't be enforced */
  resize(volume: InstanceVolume, sizeBytes: number): Promise<void>;
  /** Apply new keys of the volume (zfs.use_refquota, ...) to the size that it has. */
  reconfigure(volume: InstanceVolume, config: Readonly<Record<string, string>>): Promise<void>;

  /** Can mounts of this pool map ids? If not, `shift` the tree before `present`. */
  mapsIds(volume: InstanceVolume): Promise<boolean>;
  /** Owners of the root on disk, of a stopped instance. `note` writes down each step. @see shift.ts */
  shift(volume: InstanceVolume, change: ShiftWish): Promise<void>;
  /**
   * The root of a stopped instance, or of a snapshot, with plain ids: a copy if they are shifted on
   * disk.
   */
  openPlain(
    volume: InstanceVolume,
    options: { readonly snapshot?: string | undefined; readonly diskMap: DiskMap },
  ): Promise<{ readonly path: HostPath } & AsyncDisposable>;
  /** A user namespace in which files that are shifted on disk have plain ids. */
  users(map: IdMap): Promise<HeldNamespace>;

  /** Mount for a start; idempotent. The path shows the container's ids from the host. */
  present(volume: InstanceVolume, options: RunOptions): Promise<RunningRoot>;
  /** After a stop, and at daemon start for stopped instances: show the tree with unshifted ids. */
  presentStopped(volume: InstanceVolume): Promise<void>;
  /** At daemon start for a running instance: take over its mounts untouched. */
  adopt(volume: InstanceVolume): Promise<void>;
  /** Unmount all of this instance (lxd shutdown, delete). */
  withdraw(volume: InstanceVolume): Promise<void>;

  /**
   * Root of a stopped instance, ids as they are on disk, writable: file API, templates, export.
   * The result is released by disposing it.
   */
  openStopped(
    volume: InstanceVolume,
    snapshot?: string,
  ): Promise<{ readonly path: HostPath } & AsyncDisposable>;
  /** Directory with metadata.yaml, templates/, backup.yaml and rootfs. */
  directory(volume: InstanceVolume, snapshot?: string): HostPath;

  /** `running`: copies the upper while frozen. */
  snapshot(
    volume: InstanceVolume,
    snapshot: string,
    options: { running?: { freeze<T>(copy: () => Promise<T>): Promise<T> }; signal?: AbortSignal },
  ): Promise<void>;
  /** @see StorageDriver.shorten */
  shorten(volume: InstanceVolume, snapshot: string): Promise<(() => Promise<void>) | undefined>;
  /** Make `volume`, a stopped copy, equal to `source` again. @see transfer.ts */
  refresh(
    volume: InstanceVolume,
    source: InstanceVolume,
    options: {
      readonly missing: readonly string[];
      readonly extra: readonly string[];
      readonly steps: SnapshotSteps;
      readonly running?: { freeze<T>(copy: () => Promise<T>): Promise<T> };
      readonly signal?: AbortSignal;
    },
  ): Promise<void>;
  /** Where it is, for those who send its driver's own format. */
  locate(volume: InstanceVolume): Promise<Located>;
  /**
   * Make the volume and its snapshots out of streams of its driver's format; what was in it goes.
   *
   * @param options.snapshots Oldest first.
   */
  receive(
    volume: InstanceVolume,
    options: {
      readonly snapshots: readonly string[];
      readonly parts: (snapshot: string | undefined) => AsyncIterable<StreamPart>;
      readonly signal?: AbortSignal;
    },
  ): Promise<void>;
  /**
   * What a restore would lose: later snapshots, oldest first, where the driver can't keep them.
   * @throws {Fault} bad_request unless the volume's configuration allows it
   */
  lostByRestore(volume: InstanceVolume, snapshot: string): Promise<readonly string[]>;
  /** The instance must be stopped, and have no snapshots that would be lost. */
  restore(volume: InstanceVolume, snapshot: string): Promise<void>;
  deleteSnapshot(volume: InstanceVolume, snapshot: string): Promise<void>;
  renameSnapshot(volume: InstanceVolume, snapshot: string, newName: string): Promise<void>;
  usage(volume: InstanceVolume, snapshot?: string): Promise<VolumeUsage>;
  /** Write backup.yaml (0400) beside the rootfs, by rename and fsync. */
  writeBackupYaml(volume: InstanceVolume, text: string): Promise<void>;
}

/** Pools and custom volumes are served by routes/storage_*.ts straight from storage/; others need only this. */
export interface Storage {
  readonly instances: InstanceStorage;
  /** @throws {Fault} not_found */
  requirePool(name: string): Promise<{ readonly name: string; readonly driver: string }>;
  /**
   * Mount a custom volume on the host for an instance. With `security.shifted` the instance's mount is
   * to map ids, else its files get the ids of the instance, unless `security.unmapped`.
   *
   * @returns `idmap`: map the ids by the mount.
   * @throws {Fault} not_found, bad_request if an instance with other ids has it
   */
  useCustom(
    volume: { readonly pool: string; readonly name: string },
    user: VolumeUser,
  ): Promise<{ readonly path: HostPath; readonly idmap: boolean }>;
  /**
   * Before an instance of a project gets a custom volume among its disks.
   *
   * @throws {Fault} not_found, bad_request for a disk
   */
  checkCustom(
    volume: { readonly pool: string; readonly name: string },
    project: string,
  ): Promise<void>;
  /**
   * Another image took the place of one: unpack it now where that one is unpacked, so that the next
   * launch doesn't wait. What fails is reported: the launch tries again.
   */
  imageReplaced(before: string, after: string, signal: AbortSignal): Promise<void>;
  /** Forget the unpacked copies of an image once nobody uses them. */
  imageDeleted(fingerprint: string): Promise<void>;
  /** Daemon start: finish or undo what a crash left. `running` are the instances that run now. */
  recover(instances: readonly { volume: InstanceVolume; running: boolean }[]): Promise<void>;
  /** An instance whose tree was there before its record. `running`: its mounts are taken over. */
  show(volume: InstanceVolume, running: boolean): Promise<void>;
  /** `lxd shutdown`: unmount all. */
  close(): Promise<void>;
}
