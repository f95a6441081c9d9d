/**
 * The contract of a kind of pool: how one comes into being, is opened, changed and destroyed. What
 * happens inside an open pool is the driver's (driver.ts).
 */
import type { HostPath } from "#base/brand.ts";
import type { Undo } from "#base/undo.ts";
import type { StorageDriver } from "./driver.ts";
import type { UserNamespaces } from "./user_namespaces.ts";

export type PoolConfig = Readonly<Record<string, string>>;

/** A pool and where it belongs on this host. */
export interface PoolPlace {
  readonly name: string;
  readonly config: PoolConfig;
  /** Where its folders are seen: $LXD_DIR/storage-pools/<name>. */
  readonly root: HostPath;
  /** $LXD_DIR/disks/<name>.img: where a loop file lies. */
  readonly loopFile: HostPath;
  /** $LXD_DIR: no pool may lie in it but at `root`. */
  readonly stateDirectory: HostPath;
}

export interface PoolServices {
  readonly namespaces: UserNamespaces;
  readonly helper: HostPath;
  readonly imageExists: (fingerprint: string) => Promise<boolean>;
  /** What failed in the background; nothing waits for it. */
  readonly onError: (what: string, error: unknown) => void;
}

/** Can pools of this type be used on this host? */
export type Support =
  | { readonly version: string }
  /** What is missing, and how to get it. */
  | { readonly reason: string; readonly hint: string };

export interface PoolType {
  readonly name: string;
  /** Cost: may run the driver's tool. */
  probe(): Promise<Support>;
  /**
   * Make the pool. `place.config` has passed the key tables and has no source if none was given.
   *
   * @param undo gets steps that run when the pool has been started and stopped since, or not.
   * @returns its configuration, complete. @throws {Fault} bad_request
   */
  create(place: PoolPlace, undo: Undo): Promise<PoolConfig>;
  /**
   * Daemon start: what a crash left of `create`, of a pool that nobody knows. Nothing that holds a file
   * may go, except a loop file that it made. Without it all stays.
   *
   * @param options.hadLoopFile It was there before.
   */
  abandon?(place: PoolPlace, options: { readonly hadLoopFile: boolean }): Promise<void>;
  /** Mount or activate it and give its driver, not yet open. Idempotent: it may be mounted still. */
  start(place: PoolPlace, services: PoolServices): Promise<StorageDriver>;
  /**
   * A pool that was just started and is in no database: was it made as one? Without it all are.
   * @throws {Fault} bad_request
   */
  recognize?(place: PoolPlace): Promise<void>;
  /** Unmount or deactivate; its data stays. Idempotent. */
  stop(place: PoolPlace): Promise<void>;
  /**
   * Do now what a change of keys means. @throws {Fault} bad_request if it can't be done.
   *
   * @param undo Runs if the change can't be written down.
   * @returns the complete configuration if the driver goes by it: then it is made anew by `start`,
   * with no `open`.
   */
  update(place: PoolPlace, before: PoolConfig, undo: Undo): Promise<void | PoolConfig>;
  /** Before anything is lost: what would hinder `destroy`. @throws {Fault} bad_request */
  requireDestroyable?(place: PoolPlace): Promise<void>;
  /** After `stop`, when no volume is left: remove what `create` made. */
  destroy(place: PoolPlace): Promise<void>;
}
