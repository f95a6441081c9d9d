/**
 * Datasets out of sight, below `deleted/`: those that are being made, and those that are gone for users
 * but that clones still come from. These wait, as does a snapshot of a living volume under a hidden name,
 * until the last clone goes.
 */
import { isFaultOf } from "#base/errors.ts";
import { LockTable } from "#base/lock.ts";
import {
  buriedDataset,
  hiddenSnapshot,
  isBuried,
  isHidden,
  parentDatasets,
  temporaryDataset,
} from "./names.ts";
import { findDataset, hasClones, listDatasets, zfs } from "./tool.ts";

/** What can go is tried again whenever a clone has gone. */
export class Buried {
  readonly #pool: string;
  readonly #onError: (what: string, error: unknown) => void;
  /** Whether something has clones is asked and acted on by one at a time. */
  readonly #locks = new LockTable();

  constructor(pool: string, onError: (what: string, error: unknown) => void) {
    this.#pool = pool;
    this.#onError = onError;
  }

  /** Make a dataset out of sight; then it gets its name. */
  async build(name: string, make: (dataset: string) => Promise<void>): Promise<void> {
    const dataset = temporaryDataset(this.#pool);
    try {
      await make(dataset);
      await zfs("rename", dataset, name);
    } catch (error) {
      await this.collect(dataset);
      throw error;
    }
  }

  /** Out of sight by one rename, then removed if nothing comes from it. */
  async bury(dataset: string, as = buriedDataset(this.#pool, dataset)): Promise<void> {
    await zfs("rename", dataset, as);
    await this.collect(as);
  }

  /** A snapshot of a volume that stays. Absent is no error. */
  async burySnapshot(snapshot: string): Promise<void> {
    try {
      await zfs("destroy", snapshot);
    } catch (error) {
      if (isFaultOf(error, "not_found")) return;
      if (!hasClones(error)) throw error;
      await zfs("rename", snapshot, hiddenSnapshot(snapshot.split("@")[0] ?? "", "deleted"));
    }
  }

  /** Remove a dataset out of sight unless something comes from it; then what it came from, too. */
  async collect(dataset: string): Promise<void> {
    using _turn = await this.#locks.acquire("buried");
    await this.#collect(dataset).catch((error) => this.#onError(`remove ${dataset}`, error));
  }

  /** What an earlier daemon left. @param all Names of the datasets of the pool. */
  async collectAll(all: Iterable<string>): Promise<void> {
    const parents = new Set(parentDatasets(this.#pool));
    for (const name of all) {
      if (isBuried(this.#pool, name) && !parents.has(name)) await this.collect(name);
    }
  }

  async #collect(dataset: string): Promise<void> {
    // One that was restored from a snapshot is younger than that, and comes after it.
    const all = await listDatasets(dataset, { types: "all", depth: 1 });
    const own = all.find(({ name }) => name === dataset);
    if (own === undefined || all.some(({ clones }) => clones.length > 0)) return;
    await zfs("destroy", "-r", dataset);
    const { origin } = own;
    if (origin === undefined) return;
    const [parent = ""] = origin.split("@");
    if (isBuried(this.#pool, parent)) await this.#collect(parent);
    else if (isHidden(origin)) await this.#dropHidden(origin);
  }

  async #dropHidden(snapshot: string): Promise<void> {
    const found = await findDataset(snapshot);
    if (found !== undefined && found.clones.length === 0) await zfs("destroy", snapshot);
  }
}
