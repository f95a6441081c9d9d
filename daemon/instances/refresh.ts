/** Bring a copy of an instance up to date: files and snapshots. What it is configured with stays. */
import { Fault } from "#base/errors.ts";
import type { Tx } from "#daemon/db/db.ts";
import { getInstanceById, patchInstanceConfig } from "#daemon/db/instances.ts";
import {
  deleteSnapshotRow,
  insertSnapshot,
  listSnapshots,
  type NewSnapshot,
} from "#daemon/db/instances_snapshots.ts";
import {
  deleteVolumeSnapshotRow,
  insertVolumeSnapshot,
  listVolumeSnapshots,
  type NewVolumeSnapshot,
} from "#daemon/db/volume_snapshots.ts";
import { saveBackupYaml } from "./backup_yaml.ts";
import { announce, type InstanceContext, lockInstances, volumeOf } from "./context.ts";
import { ON_DISK } from "./id_maps.ts";
import { whileFrozen } from "./freeze.ts";
import { isRunning } from "./machine.ts";
import type { InstanceRecord, SnapshotRecord } from "./record.ts";
import type { Asked } from "./service.ts";
import { rootVolumeId } from "./take_snapshot.ts";

/** Which snapshots differ. */
export interface SnapshotDifference {
  /** Of the target, unknown to the source. */
  readonly extra: readonly SnapshotRecord[];
  /** Names of the source's that the target lacks, oldest first. */
  readonly missing: readonly string[];
}

/** Equal are those of one name and time. Pure. */
export function compareSnapshots(
  target: readonly SnapshotRecord[],
  source: readonly { readonly name: string; readonly createdAt: string }[],
): SnapshotDifference {
  // Migrations carry whole seconds.
  const second = (time: string) => Math.floor(Date.parse(time) / 1000);
  const isSame = (a: { name: string; createdAt: string }, b: { name: string; createdAt: string }) =>
    a.name === b.name && second(a.createdAt) === second(b.createdAt);
  return {
    extra: target.filter((one) => !source.some((other) => isSame(one, other))),
    missing: source.filter((one) => !target.some((other) => isSame(one, other)))
      .map(({ name }) => name),
  };
}

/** @throws {Fault} bad_request if it runs: its files would change under it. */
export function assertRefreshable(ctx: InstanceContext, target: InstanceRecord): void {
  if (!isRunning(ctx.runtime.state(target.id))) return;
  throw new Fault("bad_request", `Cannot refresh running instance "${target.name}"`, {
    hint: `Stop it first: lxc stop ${target.name}`,
  });
}

/** The target is stopped. @throws {Fault} bad_request if it runs, not_found if one of them has gone */
export async function refreshInstance(
  ctx: InstanceContext,
  target: InstanceRecord,
  source: InstanceRecord,
  options: Asked & { readonly withSnapshots: boolean },
): Promise<void> {
  if (target.id === source.id) throw new Fault("bad_request", "cannot refresh from itself");
  {
    using _held = await lockInstances(ctx, [target, source], options.signal);
    const [record, from] = await reload(ctx, [target.id, source.id]);
    assertRefreshable(ctx, record);
    const all = await ctx.db.read((tx) => listSnapshots(tx, [record, from]));
    const theirs = options.withSnapshots ? all.get(from.id) ?? [] : [];
    const { extra, missing } = options.withSnapshots
      ? compareSnapshots(all.get(record.id) ?? [], theirs)
      : { extra: [], missing: [] };
    await ctx.storage.instances.refresh(volumeOf(record), volumeOf(from), {
      extra: extra.map(({ name }) => name),
      missing,
      ...(isRunning(ctx.runtime.state(from.id)) && {
        running: { freeze: (copy) => whileFrozen(ctx, from, copy) },
      }),
      ...(options.signal !== undefined && { signal: options.signal }),
    });
    await ctx.db.write(async (tx) => {
      await patchInstanceConfig(tx, record.id, { [ON_DISK]: from.config[ON_DISK] });
      const rows = await listVolumeSnapshots(tx, await rootVolumeId(tx, from));
      await replaceRows(tx, record, {
        extra,
        added: theirs.filter(({ name }) => missing.includes(name)),
        volumeSnapshots: rows,
      });
    });
  }
  announce(ctx, "updated", target, options);
  await saveBackupYaml(ctx, target.id);
}

async function reload(
  ctx: InstanceContext,
  [target, source]: readonly [number, number],
): Promise<[InstanceRecord, InstanceRecord]> {
  return await ctx.db.read(async (tx) => [
    await getInstanceById(tx, target),
    await getInstanceById(tx, source),
  ]);
}

/** Rows of snapshots after a refresh, of the instance and of its volume. */
export async function replaceRows(
  tx: Tx,
  record: InstanceRecord,
  change: {
    readonly extra: readonly SnapshotRecord[];
    readonly added: readonly NewSnapshot[];
    readonly volumeSnapshots: readonly NewVolumeSnapshot[];
  },
): Promise<void> {
  const volume = await rootVolumeId(tx, record);
  const rows = await listVolumeSnapshots(tx, volume);
  for (const one of change.extra) {
    const row = rows.find(({ name }) => name === one.name);
    if (row !== undefined) await deleteVolumeSnapshotRow(tx, row.id);
    await deleteSnapshotRow(tx, one.id);
  }
  for (const one of change.added) {
    await insertSnapshot(tx, record, one);
    const saved = change.volumeSnapshots.find(({ name }) => name === one.name);
    const { name, expiresAt } = one;
    const { description, config } = saved ?? { description: "", config: {} };
    await insertVolumeSnapshot(tx, volume, { name, expiresAt, description, config });
  }
}
