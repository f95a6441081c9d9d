/** What the functions of this folder work with: a volume found, locked, and placed on its pool. */
import type { HostPath } from "#base/brand.ts";
import type { LockTable } from "#base/lock.ts";
import type { Database } from "#daemon/db/db.ts";
import { getPool, listVolumes, volumeMissing, type VolumeRow } from "#daemon/db/storage_pools.ts";
import {
  getVolumeSnapshot,
  listVolumeSnapshots,
  type VolumeSnapshotRow,
} from "#daemon/db/volume_snapshots.ts";
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import type { Paths } from "#daemon/paths.ts";
import type { Located } from "#daemon/storage/transfer.ts";
import type { Pools } from "#daemon/storage/pools.ts";
import type { VolumeUser } from "#daemon/storage/service.ts";
import { customVolume } from "#daemon/storage/volume.ts";

export interface CustomDeps {
  readonly paths: Paths;
  readonly db: Database;
  readonly pools: Pools;
  readonly onError: (what: string, error: unknown) => void;
  /** Names of running instances that have the volume among their disks. */
  readonly runningUsers: (volume: VolumeName) => Promise<readonly string[]>;
  /** All instances that have it, with the maps that they run with, or would. */
  readonly volumeUsers: (volume: VolumeName) => Promise<readonly VolumeUser[]>;
  readonly helper: HostPath;
  /** Does the server keep its images or backups on it? */
  readonly isServers: (volume: VolumeName) => Promise<boolean>;
}

/** What the functions of this folder work with. */
export interface CustomContext extends CustomDeps {
  readonly locks: LockTable;
}

/** Changes of one volume come one after the other. @throws the signal's reason if it aborts first. */
export async function lockVolume(
  ctx: CustomContext,
  volume: VolumeName,
  signal?: AbortSignal,
): Promise<Disposable> {
  return await lockVolumes(ctx, [volume], signal);
}

/** Several, in an order in which nobody waits for ever. */
export async function lockVolumes(
  ctx: CustomContext,
  volumes: readonly VolumeName[],
  signal?: AbortSignal,
): Promise<Disposable> {
  const names = volumes.map(({ pool, project, name }) => `volume ${pool}/${project}/${name}`);
  return await ctx.locks.acquireAll(names, signal);
}

/** @throws {Fault} not_found */
export async function getVolume(ctx: CustomContext, volume: VolumeName): Promise<VolumeRow> {
  const { pool, project, name } = volume;
  const [found] = await ctx.db.read(async (tx) => {
    await getPool(tx, pool);
    return await listVolumes(tx, { pool, project, name, type: "custom" });
  });
  if (found === undefined) throw volumeMissing({ pool, name, type: "custom" });
  return found;
}

/** The driver of a volume's pool, and the volume as the driver names it. */
export async function placeOf(
  ctx: CustomContext,
  volume: Pick<VolumeRow, "pool" | "project" | "name" | "contentType" | "config">,
): Promise<Located> {
  const { project, name, contentType: content, config } = volume;
  return {
    driver: await ctx.pools.driver(volume.pool),
    volume: customVolume(project, name, { content, config }),
  };
}

/** In the order in which they were taken. */
export async function snapshotsOf(
  ctx: CustomContext,
  volume: Pick<VolumeRow, "id">,
): Promise<VolumeSnapshotRow[]> {
  return await ctx.db.read((tx) => listVolumeSnapshots(tx, volume.id));
}

/** @throws {Fault} not_found */
export async function getSnapshot(
  ctx: CustomContext,
  volume: Pick<VolumeRow, "id">,
  name: string,
): Promise<VolumeSnapshotRow> {
  return await ctx.db.read((tx) => getVolumeSnapshot(tx, volume.id, name));
}
