/** Pools as living things: made, opened, changed and removed, each with its driver while it is open. */
import type { HostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { LockTable } from "#base/lock.ts";
import { Undo } from "#base/undo.ts";
import type { Database } from "#daemon/db/db.ts";
import { getPool, listPools, type Pool } from "#daemon/db/storage_pools.ts";
import { removeEmptyFolders, removeIfEmpty } from "#daemon/host/files.ts";
import type { Paths } from "#daemon/paths.ts";
import type { StorageDriver } from "./driver.ts";
import type { PoolConfig, PoolPlace, PoolServices } from "./pool_type.ts";
import { poolType, usablePoolType } from "./pool_types.ts";
import { UnfinishedPools } from "./unfinished_pools.ts";

export interface PoolDeps extends PoolServices {
  readonly paths: Paths;
  readonly db: Database;
}

/** What makes a pool. */
export type NewPool = Pick<Pool, "name" | "driver" | "config">;

/** A pool is opened by its first user, once; who changes it holds its lock. */
export class Pools {
  readonly #deps: PoolDeps;
  readonly #open = new Map<string, Promise<StorageDriver>>();
  readonly #locks = new LockTable();
  readonly #unfinished: UnfinishedPools;

  constructor(deps: PoolDeps) {
    this.#deps = deps;
    this.#unfinished = new UnfinishedPools(deps.paths);
  }

  /** Where a pool is found on the host. */
  path(name: string): HostPath {
    return this.#deps.paths.at("storage-pools", name);
  }

  #place({ name, config }: Pick<Pool, "name" | "config">): PoolPlace {
    const { paths } = this.#deps;
    return {
      name,
      config,
      root: this.path(name),
      loopFile: paths.at("disks", `${name}.img`),
      stateDirectory: paths.root,
    };
  }

  /** The driver of a pool, opened by the first who asks. @throws {Fault} not_found, unavailable */
  async driver(name: string): Promise<StorageDriver> {
    let opened = this.#open.get(name);
    if (opened === undefined) {
      const pool = await this.#deps.db.read((tx) => getPool(tx, name));
      opened = this.#open.get(name) ?? this.#start(pool);
      this.#open.set(name, opened);
      opened.catch(() => this.#open.delete(name));
    }
    return await opened;
  }

  async #start(pool: NewPool): Promise<StorageDriver> {
    const driver = await poolType(pool.driver).start(this.#place(pool), this.#deps)
      .catch(async (error) => {
        // A tool or module that is gone says more than what failed without it.
        await usablePoolType(pool.driver, "unavailable");
        throw error;
      });
    await driver.open();
    return driver;
  }

  /**
   * Make a pool and open it; `keep` writes it down. Nothing is left of it if anything fails.
   *
   * @param keep gets its complete configuration.
   */
  async create(pool: NewPool, keep: (config: PoolConfig) => Promise<void>): Promise<void> {
    using _turn = await this.#locks.acquire(pool.name);
    const type = await usablePoolType(pool.driver);
    await using _note = await this.#unfinished.making(pool, this.#place(pool));
    await using undo = new Undo((step, error) => this.#deps.onError(`undo: ${step}`, error));
    const config = await type.create(this.#place(pool), undo);
    const place = this.#place({ ...pool, config });
    const opened = this.#start({ ...pool, config });
    undo.add("stop the pool", async () => {
      this.#open.delete(pool.name);
      const driver = await opened.catch(() => undefined); // Ignored: awaited below.
      await driver?.close();
      await removeEmptyFolders(place.root);
      await type.stop(place);
      await removeIfEmpty(place.root);
    });
    await opened;
    await keep(config);
    this.#open.set(pool.name, opened);
    undo.keep();
  }

  /**
   * The driver of a pool that may be missing in the database, as it is described: for recovery. `undo`
   * stops what was started for it.
   *
   * @throws {Fault} bad_request, conflict, unavailable
   */
  async borrow(pool: NewPool, undo: Undo): Promise<StorageDriver> {
    using _turn = await this.#locks.acquire(pool.name);
    const known = await this.#deps.db.read((tx) => listPools(tx));
    const isKnown = known.some(({ name }) => name === pool.name);
    if (isKnown || this.#open.has(pool.name)) return await this.driver(pool.name);
    const source = pool.config["source"] ?? "";
    const same = known.find(({ config }) => source !== "" && config["source"] === source);
    if (same !== undefined) {
      throw new Fault("conflict", `"${source}" is the storage pool "${same.name}" already`);
    }
    const type = await usablePoolType(pool.driver);
    const place = this.#place(pool);
    undo.add("stop the pool", async () => {
      await this.stop(pool);
      await removeIfEmpty(place.root);
    });
    const driver = await type.start(place, this.#deps);
    await type.recognize?.(place);
    await driver.open();
    this.#open.set(pool.name, Promise.resolve(driver));
    return driver;
  }

  /**
   * Do what a change of its keys means; `keep` writes it down. If that fails, nothing has changed.
   *
   * @param keep gets its complete configuration. @throws {Fault} bad_request, conflict
   */
  async update(
    before: NewPool,
    config: PoolConfig,
    keep: (config: PoolConfig) => Promise<void>,
  ): Promise<void> {
    using _turn = await this.#locks.acquire(before.name);
    await this.driver(before.name);
    const type = poolType(before.driver);
    await using undo = new Undo((step, error) => this.#deps.onError(`undo: ${step}`, error));
    const changed = await type.update(this.#place({ ...before, config }), before.config, undo);
    await keep(changed ?? config);
    undo.keep();
    if (changed === undefined) return;
    const started = type.start(this.#place({ ...before, config: changed }), this.#deps);
    this.#open.set(before.name, started);
    started.catch(() => this.#open.delete(before.name));
    await started;
  }

  /** Remove an unused pool with its data. */
  async remove(pool: NewPool, forget: () => Promise<void>): Promise<void> {
    using _turn = await this.#locks.acquire(pool.name);
    const type = poolType(pool.driver);
    const place = this.#place(pool);
    await type.requireDestroyable?.(place);
    await using _note = await this.#unfinished.removing(pool);
    await this.stop(pool);
    await forget();
    await type.destroy(place);
  }

  /** Called once, before any pool is opened: what a crash left of pools that came or went. */
  async repair(): Promise<void> {
    const known = await this.#deps.db.read((tx) => listPools(tx));
    await this.#unfinished.repair({
      isKnown: (name) => known.some((one) => one.name === name),
      typeOf: poolType,
      placeOf: (pool) => this.#place(pool),
      onError: this.#deps.onError,
    });
  }

  /** Drivers of all pools in the database. A pool that can't be opened is reported, not fatal. */
  async all(): Promise<{ name: string; driver: StorageDriver }[]> {
    const pools = await this.#deps.db.read((tx) => listPools(tx));
    const opened: { name: string; driver: StorageDriver }[] = [];
    for (const { name } of pools) {
      try {
        opened.push({ name, driver: await this.driver(name) });
      } catch (error) {
        this.#deps.onError(`open storage pool "${name}"`, error);
      }
    }
    return opened;
  }

  /** Unmount a pool; its data stays. */
  async stop(pool: NewPool): Promise<void> {
    const opened = this.#open.get(pool.name);
    this.#open.delete(pool.name);
    const driver = await opened?.catch(() => undefined); // Ignored: it never was open.
    await driver?.close();
    await poolType(pool.driver).stop(this.#place(pool));
  }

  async close(): Promise<void> {
    for (const pool of await this.#deps.db.read((tx) => listPools(tx))) {
      try {
        await this.stop(pool);
      } catch (error) {
        this.#deps.onError(`close storage pool "${pool.name}"`, error);
      }
    }
  }
}
