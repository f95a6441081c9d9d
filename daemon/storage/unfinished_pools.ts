/** Pools that are being made or deleted, noted until that is whole. */
import { messageOf } from "#base/errors.ts";
import type { Pool } from "#daemon/db/storage_pools.ts";
import { exists } from "#daemon/host/files.ts";
import { fieldsOf, type Note, Notes, textOf } from "#daemon/host/notes.ts";
import type { Paths } from "#daemon/paths.ts";
import type { PoolPlace, PoolType } from "./pool_type.ts";

type NamedPool = Pick<Pool, "name" | "driver" | "config">;

export class UnfinishedPools {
  readonly #notes: Notes;

  constructor(paths: Paths) {
    this.#notes = new Notes(paths.at("unfinished-pools"));
  }

  /** Dispose it when it is made, or nothing is left of it. */
  async making(pool: NamedPool, { loopFile }: PoolPlace): Promise<AsyncDisposable> {
    return await this.#notes.write({ ...pool, make: true, hadLoopFile: await exists(loopFile) });
  }

  async removing(pool: NamedPool): Promise<AsyncDisposable> {
    return await this.#notes.write({ ...pool, make: false });
  }

  /** Start of the daemon: what can't be repaired is reported, and stays as it is. */
  async repair(
    ctx: {
      readonly isKnown: (name: string) => boolean;
      readonly typeOf: (driver: string) => PoolType;
      readonly placeOf: (pool: NamedPool) => PoolPlace;
      readonly onError: (what: string, error: unknown) => void;
    },
  ): Promise<void> {
    for (const note of await this.#notes.all()) {
      try {
        const { pool, isMade, hadLoopFile } = await readPool(note);
        if (ctx.isKnown(pool.name)) continue;
        const [type, place] = [ctx.typeOf(pool.driver), ctx.placeOf(pool)];
        if (isMade) await type.abandon?.(place, { hadLoopFile });
        else {
          await type.stop(place);
          await type.destroy(place);
        }
      } catch (error) {
        ctx.onError(`repair a storage pool: ${messageOf(error)}`, error);
      } finally {
        await note.forget();
      }
    }
  }
}

async function readPool({ read }: Note) {
  const note = await read();
  const config = Object.entries(fieldsOf(note["config"]));
  return {
    pool: {
      name: textOf(note, "name"),
      driver: textOf(note, "driver"),
      config: Object.fromEntries(config.map(([key, value]) => [key, `${value}`])),
    },
    isMade: note["make"] === true,
    hadLoopFile: note["hadLoopFile"] === true,
  };
}
