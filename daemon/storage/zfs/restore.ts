/**
 * Putting a snapshot in the place of its volume where copies come from a later state, which must stay
 * for them: a clone of the snapshot takes over its history and then its name. What a crash leaves is
 * finished, or undone, at the next start.
 */
import { Undo } from "#base/undo.ts";
import { asOptions, limitsOf } from "./properties.ts";
import type { Buried } from "./buried.ts";
import { buriedDataset, restoredDataset, restoredTarget } from "./names.ts";
import { type Dataset, findDataset, zfs } from "./tool.ts";

/** Callers hold the volume's lock. */
export class Restores {
  readonly #pool: string;
  readonly #buried: Buried;
  readonly #onError: (step: string, error: unknown) => void;

  constructor(
    { pool, onError }: {
      readonly pool: string;
      readonly onError: (what: string, error: unknown) => void;
    },
    buried: Buried,
  ) {
    this.#pool = pool;
    this.#buried = buried;
    this.#onError = (step, error) => onError(`undo of restore: ${step}`, error);
  }

  /** The volume is not mounted. If it fails it is as it was. */
  async replace(volume: Dataset, snapshot: string): Promise<void> {
    const fresh = restoredDataset(this.#pool, volume.name);
    const properties = volume.type === "volume"
      ? []
      : ["mountpoint=legacy", "canmount=noauto", ...limitsOf(volume)];
    await using undo = new Undo(this.#onError);
    await zfs("clone", ...asOptions(properties), snapshot, fresh);
    undo.add("remove the clone", () => this.#buried.collect(fresh));
    await zfs("promote", fresh);
    undo.add("give back the history", () => zfs("promote", volume.name).then(ignore));
    await this.#finish(fresh, volume.name, undo);
  }

  async #finish(fresh: string, name: string, undo: Undo): Promise<void> {
    const old = buriedDataset(this.#pool, name);
    await zfs("rename", name, old);
    undo.add("give back the name", () => zfs("rename", old, name).then(ignore));
    await zfs("rename", fresh, name);
    undo.keep();
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
      else if (isPromoted) {
        await using undo = new Undo(this.#onError);
        await this.#finish(fresh, name, undo);
      } else await this.#buried.collect(fresh);
    }
  }
}

function ignore(): void {}
