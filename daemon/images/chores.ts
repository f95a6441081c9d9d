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

/** Cached ones that nobody used are removed, those with auto_update refreshed. */
export function imageChores({ db, upkeep, setting, signal }: ImageChoreDeps): readonly Chore[] {
  const refreshedAt = new Map<string, number>();
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
        const times: number[] = [];
        for (const project of await projectsOf(db)) {
          const hours = Number(await setting("images.auto_update_interval", project));
          const before = refreshedAt.get(project);
          // After a start what came before isn't known: each project is due.
          if (hours > 0) times.push(before === undefined ? 0 : before + hours * HOUR_MS);
        }
        return times.length === 0 ? undefined : new Date(Math.min(...times));
      },
      async run(_since, now) {
        const due: string[] = [];
        for (const project of await projectsOf(db)) {
          const hours = Number(await setting("images.auto_update_interval", project));
          const before = refreshedAt.get(project) ?? 0;
          if (!(hours > 0) || before + hours * HOUR_MS > now.getTime()) continue;
          refreshedAt.set(project, now.getTime());
          due.push(project);
        }
        // Downloads take long: other chores don't wait for them.
        void upkeep.refreshAll(due, signal);
      },
    },
  ];
}

/** Projects that have images. */
async function projectsOf(db: Database): Promise<string[]> {
  return [...new Set((await db.read(listAllImages)).map(({ project }) => project))];
}
