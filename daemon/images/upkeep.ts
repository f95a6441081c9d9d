/** Images that look after themselves: refreshed by the clock, gone when nobody has used them. */
import type { Database } from "#daemon/db/db.ts";
import { type ImageRow, listAllImages, moveImage } from "#daemon/db/images.ts";
import type { ImageSetting } from "./create.ts";
import type { Ensure } from "./remote/ensure.ts";
import { sourceOfRow } from "./remote/ensure.ts";

export interface UpkeepDeps {
  readonly db: Database;
  readonly ensure: Ensure;
  readonly setting: ImageSetting;
  /** Another image takes the place of one, which is removed next. */
  readonly replaced: (before: string, after: string, signal: AbortSignal) => Promise<void>;
  /** Remove an image from a project, its files and unpacked copies too if it is the last. */
  readonly remove: (project: string, fingerprint: string) => Promise<void>;
  readonly onError: (what: string, error: unknown) => void;
}

export interface Upkeep {
  /** Fetch what its source has now, if that is another image. @returns was it? */
  refresh(image: StoredImage, options: RefreshOptions): Promise<boolean>;
  /** Refresh every image of the projects that wants it. */
  refreshAll(projects: readonly string[], signal: AbortSignal): Promise<void>;
  /** Remove cached images that weren't used for long. */
  expire(): Promise<void>;
}

export type StoredImage = ImageRow & { readonly project: string };

export interface RefreshOptions {
  readonly signal: AbortSignal;
  readonly progress?: (text: string) => void;
}

const DAY_MS = 24 * 3600 * 1000;

/** One image that can't be refreshed does not keep others from it: onError hears of it. */
export function createUpkeep(deps: UpkeepDeps): Upkeep {
  const refresh: Upkeep["refresh"] = (image, options) => refreshImage(deps, image, options);
  return {
    refresh,
    async refreshAll(projects, signal) {
      const images = await deps.db.read(listAllImages);
      const wanted = images.filter((one) => one.autoUpdate && projects.includes(one.project));
      for (const image of wanted) {
        if (signal.aborted) return;
        await refresh(image, { signal }).catch((error) => {
          if (!signal.aborted) deps.onError(`refresh the image ${image.fingerprint}`, error);
        });
      }
    },
    async expire() {
      const images = await deps.db.read(listAllImages);
      const now = Date.now();
      for (const image of images) {
        const at = await expiresAt(deps.setting, image);
        if (at === undefined || at > now) continue;
        await deps.remove(image.project, image.fingerprint)
          .catch((error) => deps.onError(`remove the unused image ${image.fingerprint}`, error));
      }
    },
  };
}

/** In ms; undefined: it stays. */
export async function expiresAt(
  setting: ImageSetting,
  image: StoredImage,
): Promise<number | undefined> {
  if (!image.isCached) return undefined;
  const days = Number(await setting("images.remote_cache_expiry", image.project));
  return days > 0 ? forgottenAt(image, days) : undefined;
}

/** When a cached image has not been used for so long, or not since it came, in ms. */
export function forgottenAt(
  image: Pick<ImageRow, "lastUsedAt" | "uploadedAt">,
  days: number,
): number {
  const used = Date.parse(image.lastUsedAt.replace(" ", "T"));
  const since = Number.isNaN(used) || used <= 0 ? Date.parse(image.uploadedAt) : used;
  return since + days * DAY_MS;
}

async function refreshImage(
  deps: UpkeepDeps,
  image: StoredImage,
  { signal, progress }: RefreshOptions,
): Promise<boolean> {
  if (image.source === undefined) return false;
  const { fingerprint, isNew } = await deps.ensure(sourceOfRow(image.source), {
    project: image.project,
    purpose: "kept",
    isPublic: image.isPublic,
    autoUpdate: image.autoUpdate,
    profiles: image.profiles,
    isFresh: true,
    signal,
    ...(progress !== undefined && { progress }),
  });
  if (fingerprint === image.fingerprint) {
    // It was marked as wanted for good by being asked for.
    if (image.isCached) {
      await deps.db.write((tx) => tx.run("UPDATE images SET cached = 1 WHERE id = ?", image.id));
    }
    return false;
  }
  await deps.replaced(image.fingerprint, fingerprint, signal);
  await deps.db.write((tx) => moveImage(tx, image, { fingerprint, isNew }));
  await deps.remove(image.project, image.fingerprint);
  return true;
}
