/** Send an instance, or one of its snapshots as an instance, to another server. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { describeInstance } from "#daemon/instances/backup_yaml.ts";
import { type InstanceContext, volumeOf } from "#daemon/instances/context.ts";
import { whileFrozen } from "#daemon/instances/freeze.ts";
import { diskMapOf } from "#daemon/instances/id_maps.ts";
import { isRunning } from "#daemon/instances/machine.ts";
import { getSnapshot, listSnapshots } from "#daemon/db/instances_snapshots.ts";
import { getPool } from "#daemon/db/storage_pools.ts";
import { contentBytes } from "#daemon/storage/transfer.ts";
import type { InstanceRecord, SnapshotRecord } from "#daemon/instances/record.ts";
import { copyMetadata } from "#daemon/storage/metadata_files.ts";
import { offer, secondsOf, sendIndex } from "./offer.ts";
import { FS, type Header, type WireSnapshot } from "./proto.ts";
import { type Rate, rateOf, sendTree, socketFolder } from "./rsync.ts";
import { asSource, type Session } from "./session.ts";

export interface SendWish {
  readonly instance: InstanceRecord;
  /** Send this one alone, as an instance. */
  readonly snapshot: SnapshotRecord | undefined;
  readonly instanceOnly: boolean;
}

/** Files of the volume's directory that are only of use here. */
const PRIVATE = [
  ...["/overlay", "/overlay.img", "/rootfs.img", "/rootfs.new", "/limit.lifted"],
  ...["/layers.json*", "/backup.yaml*"],
];

/** @throws {Fault} with the reason of whichever side failed. */
export async function sendInstance(
  ctx: InstanceContext,
  session: Session,
  wish: SendWish,
  signal: AbortSignal,
): Promise<void> {
  await asSource(session, signal, () => send(ctx, session, wish, signal));
}

async function send(
  ctx: InstanceContext,
  session: Session,
  wish: SendWish,
  signal: AbortSignal,
): Promise<void> {
  const { instance, snapshot } = wish;
  const all = wish.instanceOnly || snapshot !== undefined
    ? []
    : (await ctx.db.read((tx) => listSnapshots(tx, [instance]))).get(instance.id) ?? [];
  const rate = rateOf(await ctx.db.read((tx) => getPool(tx, volumeOf(instance).pool)));
  const reply = await offer(session, {
    fs: FS.rsync,
    volumeSize: 0,
    snapshots: all.map(wireSnapshot),
    rate,
  });
  const wanted = reply.refresh ? all.filter(({ name }) => reply.snapshotNames.includes(name)) : all;
  if (reply.indexVersion > 0) {
    const place = await ctx.storage.instances.locate(volumeOf(instance));
    const bytes = reply.refresh ? 0 : await contentBytes(place, snapshot?.name);
    await sendIndex(session, await indexOf(ctx, instance, wanted), bytes);
  }
  await using folder = await socketFolder(ctx.paths);
  for (const name of [...wanted.map((one) => one.name), snapshot?.name]) {
    await sendOne(ctx, session, reply, {
      instance,
      name,
      workspace: folder.path,
      rate,
      signal,
    });
  }
}

/** Volume and snapshots as backup.yaml describes them. */
async function indexOf(
  ctx: InstanceContext,
  instance: InstanceRecord,
  wanted: readonly SnapshotRecord[],
): Promise<Record<string, unknown>> {
  const found = await describeInstance(ctx, instance.id);
  if (found === undefined) throw new Fault("not_found", "Instance not found");
  const isWanted = ({ name }: { name: string }) => wanted.some((one) => one.name === name);
  return {
    ...found.description,
    snapshots: found.description.snapshots.filter(isWanted),
    volume_snapshots: found.description.volume_snapshots.filter(isWanted),
  };
}

interface OneTree {
  readonly instance: InstanceRecord;
  readonly name: string | undefined;
  readonly workspace: HostPath;
  readonly rate: Rate;
  readonly signal: AbortSignal;
}

async function sendOne(
  ctx: InstanceContext,
  session: Session,
  { rsync: features }: Header,
  { instance, name, ...options }: OneTree,
): Promise<void> {
  const volume = volumeOf(instance);
  await using still = await standStill(ctx, instance, name);

  const saved = name === undefined
    ? instance
    : await ctx.db.read((tx) => getSnapshot(tx, instance, name));
  const view = await ctx.storage.instances.openPlain(volume, {
    snapshot: still.snapshot,
    diskMap: diskMapOf(saved.config),
  });
  try {
    const directory = hostPath(view.path.replace(/\/rootfs$/, ""));
    const own = ctx.storage.instances.directory(volume, still.snapshot);
    if (directory !== own) await copyMetadata(own, directory);
    await sendTree(session.fs, directory, { ...options, features, exclude: PRIVATE });
  } finally {
    await view[Symbol.asyncDispose]();
  }
}

/** A running instance is sent as a snapshot that only lives for this: it is frozen for its copy only. */
async function standStill(
  ctx: InstanceContext,
  instance: InstanceRecord,
  name: string | undefined,
): Promise<{ readonly snapshot: string | undefined } & AsyncDisposable> {
  const nothing = () => Promise.resolve();
  if (name !== undefined || !isRunning(ctx.runtime.state(instance.id))) {
    return { snapshot: name, [Symbol.asyncDispose]: nothing };
  }
  const volume = volumeOf(instance);
  const snapshot = `migration-${crypto.randomUUID()}`;
  await ctx.storage.instances.snapshot(volume, snapshot, {
    running: { freeze: (copy) => whileFrozen(ctx, instance, copy) },
  });
  return {
    snapshot,
    [Symbol.asyncDispose]: () => ctx.storage.instances.deleteSnapshot(volume, snapshot),
  };
}

function wireSnapshot(snapshot: SnapshotRecord): WireSnapshot {
  return {
    name: snapshot.name,
    config: snapshot.config,
    devices: snapshot.devices,
    profiles: snapshot.profiles,
    isEphemeral: snapshot.isEphemeral,
    architecture: snapshot.architecture,
    createdAt: secondsOf(snapshot.createdAt),
    expiresAt: secondsOf(snapshot.expiresAt),
  };
}
