/** Bring a copy of an instance up to date: files and snapshots. What it is configured with stays. */
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import { getInstanceById, patchInstanceConfig } from "#daemon/db/instances.ts";
import { insertSnapshot, listSnapshots, type NewSnapshot } from "#daemon/db/instances_snapshots.ts";
import {
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
import type { SnapshotSteps } from "#daemon/storage/transfer.ts";
import { deleteSnapshotRows, rootVolumeId } from "./root_volume.ts";
import { noteSnapshot } from "./unfinished_snapshots.ts";

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
    const saved = await ctx.db.read(async (tx) =>
      await listVolumeSnapshots(tx, await rootVolumeId(tx, from))
    );
    await ctx.storage.instances.refresh(volumeOf(record), volumeOf(from), {
      extra: extra.map(({ name }) => name),
      missing,
      steps: snapshotSteps(ctx, record, (name) => ({
        snapshot: theirs.find((one) => one.name === name),
        volume: saved.find((one) => one.name === name),
      })),
      ...(isRunning(ctx.runtime.state(from.id)) && {
        running: { freeze: (copy) => whileFrozen(ctx, from, copy) },
      }),
      ...(options.signal !== undefined && { signal: options.signal }),
    });
    await ctx.db.write((tx) =>
      patchInstanceConfig(tx, record.id, { [ON_DISK]: from.config[ON_DISK] })
    );
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

/** Each snapshot that a refresh adds or removes comes and goes with its rows. */
export function snapshotSteps(
  ctx: InstanceContext,
  record: InstanceRecord,
  rowsOf: (name: string) => {
    readonly snapshot: NewSnapshot | undefined;
    readonly volume: Pick<NewVolumeSnapshot, "description" | "config"> | undefined;
  },
): SnapshotSteps {
  return {
    async remove(name, remove) {
      await using _note = await noteSnapshot(ctx, record, { drop: name });
      await remove();
      await ctx.db.write((tx) => deleteSnapshotRows(tx, record, name));
    },
    async add(name, take, drop) {
      const { snapshot, volume } = rowsOf(name);
      if (snapshot === undefined) return;
      await using _note = await noteSnapshot(ctx, record, { drop: name });
      await using undo = new Undo((step, error) => ctx.onError(`undo of refresh: ${step}`, error));
      await drop(); // What a refresh of before may have left.
      undo.add("remove the snapshot", drop);
      await take();
      const { description, config } = volume ?? { description: "", config: {} };
      const { expiresAt } = snapshot;
      await ctx.db.write(async (tx) => {
        await insertSnapshot(tx, record, snapshot);
        const id = await rootVolumeId(tx, record);
        await insertVolumeSnapshot(tx, id, { name, expiresAt, description, config });
      });
      undo.keep();
    },
  };
}
