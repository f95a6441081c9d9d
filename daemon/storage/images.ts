/** Unpacked images on storage pools. */
import {
  deleteVolumeRow,
  hasVolumeRow,
  insertVolume,
  VOLUME_TYPES,
  type VolumeRow,
} from "#daemon/db/storage_pools.ts";
import type { Database } from "#daemon/db/db.ts";
import type { Images } from "#daemon/images/service.ts";
import type { CreateOptions, StorageDriver } from "./driver.ts";
import { requirePoolSpace } from "./space.ts";
import type { Volume } from "./volume.ts";

export interface ImageDeps {
  readonly db: Database;
  readonly images: Pick<Images, "unpack" | "unpackedBytes">;
  readonly onError: (what: string, error: unknown) => void;
}

/** A pool that is open. */
export interface OpenPool {
  readonly name: string;
  readonly driver: StorageDriver;
}

/** A volume out of an image, which is unpacked before if it isn't there. @throws as `ensureImage` */
export async function createFromImage(
  deps: ImageDeps,
  pool: OpenPool,
  { volume, fingerprint, ...options }: CreateOptions & {
    readonly volume: Volume;
    readonly fingerprint: string;
    readonly signal?: AbortSignal;
  },
): Promise<void> {
  const { driver } = pool;
  const { signal } = options;
  await ensureImage(deps, pool, { fingerprint, ...(signal !== undefined && { signal }) });
  try {
    await driver.createFromImage(volume, fingerprint, options);
  } catch (error) {
    // Its volume may have been deleted just now: that forbids no launch.
    if (await driver.hasImage(fingerprint)) throw error;
    await ensureImage(deps, pool, { fingerprint, ...(signal !== undefined && { signal }) });
    await driver.createFromImage(volume, fingerprint, options);
  }
}

/** Unpack an image on a pool, unless it is there. @throws {Fault} no_space, bad_request */
async function ensureImage(
  { db, images }: ImageDeps,
  { name: pool, driver }: OpenPool,
  { fingerprint, signal }: { readonly fingerprint: string; readonly signal?: AbortSignal },
): Promise<void> {
  await driver.ensureImage(fingerprint, async (directory) => {
    const bytes = await images.unpackedBytes(fingerprint);
    await requirePoolSpace(driver, bytes, "unpack the image");
    await images.unpack(fingerprint, directory, signal ? { signal } : {});
  });
  if (!driver.can.imageVolumes) return;
  const volume = imageVolume(pool, fingerprint);
  if (await db.read((tx) => hasVolumeRow(tx, volume))) return;
  await db.write(async (tx) => {
    if (!await hasVolumeRow(tx, volume)) await insertVolume(tx, { ...volume, ...BARE });
  });
}

/**
 * Another image took the place of one: unpack it now where that one is unpacked, so that the next
 * launch doesn't wait. What fails is reported: the launch tries again.
 */
export async function replaceImage(
  deps: ImageDeps,
  pools: readonly OpenPool[],
  { before, after, signal }: {
    readonly before: string;
    readonly after: string;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  for (const pool of pools) {
    try {
      if (!await pool.driver.hasImage(before)) continue;
      await ensureImage(deps, pool, { fingerprint: after, signal });
    } catch (error) {
      deps.onError(`unpack image ${after} on pool "${pool.name}"`, error);
    }
  }
}

/** The image is gone: forget its unpacked copies once nobody uses them. */
export async function dropImage(
  { db }: ImageDeps,
  pools: readonly OpenPool[],
  fingerprint: string,
): Promise<void> {
  for (const pool of pools) await dropImageVolume({ db }, pool, fingerprint);
}

/** Forget the unpacked copy on one pool; the next launch there unpacks the image again. */
export async function dropImageVolume(
  { db }: Pick<ImageDeps, "db">,
  { name, driver }: OpenPool,
  fingerprint: string,
): Promise<void> {
  await driver.dropImage(fingerprint);
  await db.write((tx) => deleteVolumeRow(tx, imageVolume(name, fingerprint)));
}

/** Daemon start: a crash left the record of a copy whose image is gone. */
export async function forgetImageVolumes({ db }: ImageDeps): Promise<void> {
  await db.write((tx) =>
    tx.run(
      "DELETE FROM storage_volumes WHERE type = ? AND name NOT IN (SELECT fingerprint FROM images)",
      VOLUME_TYPES.image,
    )
  );
}

const BARE = { description: "", config: {} } as const;

/** As LXD records it: images of all projects belong to the default one. */
function imageVolume(pool: string, name: string) {
  return { pool, name, project: "default", type: "image" } as const satisfies Partial<VolumeRow>;
}
