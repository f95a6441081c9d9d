/** What is done to images by the clock. */
import type { Chore } from "#daemon/operations/scheduler.ts";
import type { Database } from "#daemon/db/db.ts";
import { listAllImages } from "#daemon/db/images.ts";
import type { ImageSetting } from "./create.ts";
import { expiresAt, type Upkeep } from "./upkeep.ts";

export interface ImageChoreDeps {
  readonly db: Database;
  readonly upkeep: Upkeep;
  readonly setting: ImageSetting;
  /** Ends downloads when the daemon ends. */
  readonly signal: AbortSignal;
}

const HOUR_MS = 3600_000;

export function imageChores({ db, upkeep, setting, signal }: ImageChoreDeps): readonly Chore[] {
  let refreshedAt: number | undefined;
  return [
    {
      what: "remove unused images",
      async next() {
        const times: number[] = [];
        for (const image of await db.read(listAllImages)) {
          const at = await expiresAt(setting, image);
          if (at !== undefined) times.push(at);
        }
        return times.length === 0 ? undefined : new Date(Math.min(...times));
      },
      run: () => upkeep.expire(),
    },
    {
      what: "refresh images",
      async next() {
        const hours = Number(await setting("images.auto_update_interval"));
        if (!(hours > 0)) return undefined;
        return new Date(refreshedAt === undefined ? 0 : refreshedAt + hours * HOUR_MS);
      },
      run() {
        refreshedAt = Date.now();
        // Downloads take long: other chores don't wait for them.
        void upkeep.refreshAll(signal);
        return Promise.resolve();
      },
    },
  ];
}
