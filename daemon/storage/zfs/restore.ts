/**
 * Putting a snapshot in the place of its volume where copies come from a later state, which must stay
 * for them: a clone of the snapshot takes over its history and then its name. What a crash leaves is
 * finished, or undone, at the next start.
 */
import { asOptions, limitsOf } from "./properties.ts";
import type { Buried } from "./buried.ts";
import { buriedDataset, restoredDataset, restoredTarget } from "./names.ts";
import { type Dataset, findDataset, zfs } from "./tool.ts";

/** Callers hold the volume's lock. */
export class Restores {
  readonly #pool: string;
  readonly #buried: Buried;

  constructor(pool: string, buried: Buried) {
    this.#pool = pool;
    this.#buried = buried;
  }

  /** The volume is not mounted. */
  async replace(volume: Dataset, snapshot: string): Promise<void> {
    const fresh = restoredDataset(this.#pool, volume.name);
    const properties = volume.type === "volume"
      ? []
      : ["mountpoint=legacy", "canmount=noauto", ...limitsOf(volume)];
    await zfs("clone", ...asOptions(properties), snapshot, fresh);
    await zfs("promote", fresh);
    await this.#finish(fresh, volume.name);
  }

  async #finish(fresh: string, name: string): Promise<void> {
    const old = buriedDataset(this.#pool, name);
    await zfs("rename", name, old);
    await zfs("rename", fresh, name);
    await this.#buried.collect(old);
  }

  /** @param all Names of the datasets of the pool. */
  async resume(all: Iterable<string>): Promise<void> {
    for (const fresh of all) {
      const name = restoredTarget(this.#pool, fresh);
      if (name === undefined) continue;
      const volume = await findDataset(name);
      const isPromoted = volume?.origin?.startsWith(`${fresh}@`) === true;
      if (volume === undefined) await zfs("rename", fresh, name);
      else if (isPromoted) await this.#finish(fresh, name);
      else await this.#buried.collect(fresh);
    }
  }
}
