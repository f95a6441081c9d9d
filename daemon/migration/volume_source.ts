/** Send a custom volume, or one of its snapshots as a volume, to another server. */
import { describeVolume } from "#daemon/backups/volume_config.ts";
import { getPool, type VolumeRow } from "#daemon/db/storage_pools.ts";
import type { VolumeSnapshotRow } from "#daemon/db/volume_snapshots.ts";
import {
  type CustomContext,
  getVolume,
  lockVolume,
  placeOf,
  snapshotsOf,
} from "#daemon/storage/custom/context.ts";
import { contentBytes } from "#daemon/storage/transfer.ts";
import { sendDisk } from "./disk.ts";
import { offer, secondsOf, sendIndex } from "./offer.ts";
import { FS, type WireSnapshot } from "./proto.ts";
import { rateOf, sendTree, socketFolder } from "./rsync.ts";
import { asSource, type Session } from "./session.ts";

export interface SendVolumeWish {
  readonly volume: VolumeRow;
  /** Send this one alone, as a volume. */
  readonly snapshot: string | undefined;
  readonly volumeOnly: boolean;
}

/** What the file system of a volume has for itself. */
const PRIVATE = ["/lost+found"];

/** @throws {Fault} with the reason of whichever side failed. */
export async function sendVolume(
  ctx: CustomContext,
  session: Session,
  wish: SendVolumeWish,
  signal: AbortSignal,
): Promise<void> {
  await asSource(session, signal, async () => {
    using _held = await lockVolume(ctx, wish.volume, signal);
    await send(ctx, session, wish, signal);
  });
}

async function send(
  ctx: CustomContext,
  session: Session,
  { volume: { pool, project, name }, snapshot, volumeOnly }: SendVolumeWish,
  signal: AbortSignal,
): Promise<void> {
  const row = await getVolume(ctx, { pool, project, name });
  const all = volumeOnly || snapshot !== undefined ? [] : await snapshotsOf(ctx, row);
  const { driver, volume } = await placeOf(ctx, row);
  const rate = rateOf(await ctx.db.read((tx) => getPool(tx, pool)));
  const isDisk = row.contentType === "block";
  const reply = await offer(session, {
    fs: isDisk ? FS.blockAndRsync : FS.rsync,
    volumeSize: isDisk ? (await driver.usage(volume, snapshot)).totalBytes : 0,
    snapshots: all.map(wireSnapshot),
    rate,
  });
  const wanted = reply.refresh ? all.filter((one) => reply.snapshotNames.includes(one.name)) : all;
  if (reply.indexVersion > 0) {
    const bytes = reply.refresh ? 0 : await contentBytes({ driver, volume }, snapshot);
    await sendIndex(session, describeVolume(row, wanted), bytes);
  }
  await using folder = await socketFolder(ctx.paths);
  for (const state of [...wanted.map((one) => one.name), snapshot]) {
    await using view = await driver.view(volume, state);
    if (isDisk) await sendDisk(session.fs, driver.diskPath(volume, state), signal);
    else {
      await sendTree(session.fs, view.path, {
        features: reply.rsync,
        exclude: PRIVATE,
        workspace: folder.path,
        rate,
        signal,
      });
    }
  }
}

function wireSnapshot(snapshot: VolumeSnapshotRow): WireSnapshot {
  return {
    name: snapshot.name,
    config: snapshot.config,
    devices: {},
    profiles: [],
    isEphemeral: false,
    architecture: 0,
    createdAt: 0,
    expiresAt: secondsOf(snapshot.expiresAt),
  };
}
