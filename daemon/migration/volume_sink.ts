/** Receive a custom volume from another server: a new one, or a copy that is brought up to date. */
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import { insertVolume, type VolumeRow } from "#daemon/db/storage_pools.ts";
import {
  deleteVolumeSnapshotRow,
  insertVolumeSnapshot,
  type NewVolumeSnapshot,
} from "#daemon/db/volume_snapshots.ts";
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import {
  fullConfig,
  type NewVolume,
  requireFreeName,
  requireNotRunning,
  sizeOf,
} from "#daemon/storage/custom/service.ts";
import {
  type CustomContext,
  getVolume,
  lockVolume,
  placeOf,
  snapshotsOf,
} from "#daemon/storage/custom/context.ts";
import { noteUnfinished } from "#daemon/storage/custom/unfinished.ts";
import { requirePoolSpace } from "#daemon/storage/space.ts";
import type { Located } from "#daemon/storage/transfer.ts";
import { agree, type Agreed, timeOf } from "./agree.ts";
import { receiveDisk } from "./disk.ts";
import { FS, type Header } from "./proto.ts";
import { receiveTree } from "./rsync.ts";
import { asSink, type Open, type Session } from "./session.ts";

interface Options {
  readonly volumeOnly: boolean;
  readonly signal: AbortSignal;
}

/** A new volume. Nothing is left of it if that fails. @throws {Fault} */
export async function receiveVolume(
  ctx: CustomContext,
  target: VolumeName,
  open: Open,
  { wish, volumeOnly, signal }: Options & { readonly wish: NewVolume },
): Promise<void> {
  await asSink(open, signal, async (session) => {
    using _held = await lockVolume(ctx, target, signal);
    await requireFreeName(ctx, target);
    const config = await fullConfig(ctx, target.pool, wish);
    const place = await placeOf(ctx, { ...target, ...wish, config });
    const agreed = await agree(session, (offer) => ({
      fs: formatFor(offer, wish),
      names: volumeOnly ? [] : offer.snapshotNames,
      refresh: false,
      requireRoom: (bytes) => requirePoolSpace(place.driver, bytes, "receive the volume"),
    }));
    const made = { ...target, contentType: wish.contentType };
    await using _note = await noteUnfinished(ctx, { what: "make", volume: made });
    await using undo = new Undo((step, error) => ctx.onError(`undo of volume: ${step}`, error));
    const sizeBytes = agreed.header.volumeSize || sizeOf(config);
    await place.driver.create(place.volume, sizeBytes === undefined ? {} : { sizeBytes });
    undo.add("remove the volume", () => place.driver.remove(place.volume));
    await receiveAll(session, place, agreed.header, signal);
    await ctx.db.write(async (tx) => {
      const id = await insertVolume(tx, { ...target, ...wish, config, type: "custom" });
      for (const one of snapshotRows(agreed)) await insertVolumeSnapshot(tx, id, one);
    });
    undo.keep();
  });
}

/**
 * As the other side: its snapshots that are missing here, none that it has no more, its content.
 * Configuration stays. @throws {Fault}
 */
export async function refreshVolumeFromPeer(
  ctx: CustomContext,
  target: VolumeName,
  open: Open,
  { volumeOnly, signal }: Options,
): Promise<void> {
  await asSink(open, signal, async (session) => {
    using _held = await lockVolume(ctx, target, signal);
    const row = await getVolume(ctx, target);
    await requireNotRunning(ctx, row, "refresh");
    const ours = await snapshotsOf(ctx, row);
    let theirs: readonly string[] = [];
    const agreed = await agree(session, (offer) => {
      theirs = offer.snapshotNames;
      const known = (name: string) => ours.some((one) => one.name === name);
      const names = volumeOnly ? [] : theirs.filter((name) => !known(name));
      return { fs: formatFor(offer, row), names, refresh: true };
    });
    const place = await placeOf(ctx, row);
    const extra = volumeOnly ? [] : ours.filter(({ name }) => !theirs.includes(name));
    for (const one of extra) {
      await place.driver.removeSnapshot(place.volume, one.name);
      await ctx.db.write((tx) => deleteVolumeSnapshotRow(tx, one.id));
    }
    await receiveAll(session, place, agreed.header, signal, async (name) => {
      const saved = snapshotRows(agreed).find((one) => one.name === name);
      if (saved !== undefined) await ctx.db.write((tx) => insertVolumeSnapshot(tx, row.id, saved));
    });
  });
}

/** @throws {Fault} bad_request if one is a disk and the other is not. */
function formatFor(offer: Header, { contentType }: Pick<VolumeRow, "contentType">): number {
  const fs = contentType === "block" ? FS.blockAndRsync : FS.rsync;
  const other = contentType === "block" ? FS.rsync : FS.blockAndRsync;
  if (offer.fs !== other) return fs;
  throw new Fault("bad_request", `the volume on the other server has another content type`, {
    hint: `This one is of the content type ${contentType}.`,
  });
}

/** Snapshots oldest first, then the present state. */
async function receiveAll(
  session: Session,
  { driver, volume }: Located,
  { snapshotNames, rsync: features, fs }: Header,
  signal: AbortSignal,
  onSnapshot: (name: string) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const receive = async () => {
    const path = await driver.mount(volume);
    if (fs === FS.blockAndRsync) await receiveDisk(session.fs, driver.diskPath(volume), signal);
    else await receiveTree(session.fs, path, { features, signal });
  };
  for (const name of snapshotNames) {
    await receive();
    await driver.snapshot(volume, name);
    await onSnapshot(name);
  }
  await receive();
}

/** Configuration comes with the description; a sender that has none says it in the header. */
function snapshotRows({ header, saved }: Agreed): NewVolumeSnapshot[] {
  return header.snapshots.map((one) => {
    const described = saved?.volumeSnapshots.find(({ name }) => name === one.name);
    return described ??
      { name: one.name, description: "", expiresAt: timeOf(one.expiresAt), config: one.config };
  });
}
