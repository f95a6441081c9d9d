/** Send an instance, or one of its snapshots as an instance, to another server. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault, messageOf } from "#base/errors.ts";
import { describeInstance } from "#daemon/instances/backup_yaml.ts";
import { type InstanceContext, volumeOf } from "#daemon/instances/context.ts";
import { whileFrozen } from "#daemon/instances/freeze.ts";
import { diskMapOf } from "#daemon/instances/id_maps.ts";
import { isRunning } from "#daemon/instances/machine.ts";
import { getSnapshot, listSnapshots } from "#daemon/db/instances_snapshots.ts";
import { copyMetadata } from "#daemon/storage/files.ts";
import type { InstanceRecord, SnapshotRecord } from "#daemon/instances/record.ts";
import { readText, receiveMessage, writeText } from "./channel.ts";
import { decodeHeader, encodeHeader, type Header, type WireSnapshot } from "./proto.ts";
import { sendTree } from "./rsync.ts";
import { awaitControl, sendControl, type Session } from "./session.ts";

export interface SendWish {
  readonly instance: InstanceRecord;
  /** Send this one alone, as an instance. */
  readonly snapshot: SnapshotRecord | undefined;
  readonly instanceOnly: boolean;
}

/** Files of the volume's directory that are only of use here. */
const PRIVATE = ["/overlay", "/layers.json*", "/backup.yaml*", "/rootfs.new"];

const FEATURES = ["xattrs", "delete", "bidirectional"] as const;

/** @throws {Fault} with the reason of whichever side failed. */
export async function sendInstance(
  ctx: InstanceContext,
  session: Session,
  wish: SendWish,
  signal: AbortSignal,
): Promise<void> {
  const stop = () => session[Symbol.dispose]();
  signal.addEventListener("abort", stop, { once: true });
  try {
    await send(ctx, session, wish, signal);
    await awaitControl(session);
  } catch (error) {
    await sendControl(session, messageOf(error));
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
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
  await session.control.send(encodeHeader({
    fs: 0,
    isShifted: false,
    snapshotNames: all.map(({ name }) => name),
    snapshots: all.map(wireSnapshot),
    rsync: FEATURES,
    refresh: false,
    indexVersion: 1,
  }));
  const reply = decodeHeader(await receiveMessage(session.control));
  if (reply.fs !== 0) throw new Fault("unavailable", "the other server does not speak rsync");
  const wanted = reply.refresh ? all.filter(({ name }) => reply.snapshotNames.includes(name)) : all;
  if (reply.indexVersion > 0) await sendIndex(ctx, session, instance, wanted);
  const workspace = ctx.paths.at(`m${crypto.randomUUID().slice(0, 8)}`);
  await Deno.mkdir(workspace, { mode: 0o700 });
  try {
    for (const { name } of wanted) {
      await sendOne(ctx, session, reply, { ...wish, name, workspace, signal });
    }
    const name = snapshot?.name;
    await sendOne(ctx, session, reply, { ...wish, name, workspace, signal });
  } finally {
    await Deno.remove(workspace, { recursive: true });
  }
}

/** Volume and snapshots as backup.yaml describes them. */
async function sendIndex(
  ctx: InstanceContext,
  session: Session,
  instance: InstanceRecord,
  wanted: readonly SnapshotRecord[],
): Promise<void> {
  const found = await describeInstance(ctx, instance.id);
  if (found === undefined) throw new Fault("not_found", "Instance not found");
  const isWanted = ({ name }: { name: string }) => wanted.some((one) => one.name === name);
  const config = {
    ...found.description,
    snapshots: found.description.snapshots.filter(isWanted),
    volume_snapshots: found.description.volume_snapshots.filter(isWanted),
  };
  await writeText(session.fs, JSON.stringify({ config }));
  await readText(session.fs);
}

interface OneTree {
  readonly instance: InstanceRecord;
  readonly name: string | undefined;
  readonly workspace: HostPath;
  readonly signal: AbortSignal;
}

async function sendOne(
  ctx: InstanceContext,
  session: Session,
  { rsync: features }: Header,
  { instance, name, workspace, signal }: OneTree,
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
    await sendTree(session.fs, directory, { features, exclude: PRIVATE, workspace, signal });
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
  const seconds = (time: string) => time === "" ? 0 : Math.floor(Date.parse(time) / 1000);
  return {
    name: snapshot.name,
    config: snapshot.config,
    devices: snapshot.devices,
    profiles: snapshot.profiles,
    isEphemeral: snapshot.isEphemeral,
    architecture: snapshot.architecture,
    createdAt: seconds(snapshot.createdAt),
    expiresAt: seconds(snapshot.expiresAt),
  };
}
