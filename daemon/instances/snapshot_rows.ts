/** Rows of the snapshots that a new instance comes with, and the configuration of its volume. */
import { fittingConfig } from "#api/config/pool_keys.ts";
import { readConfig, writeConfig } from "#daemon/db/config.ts";
import type { Tx } from "#daemon/db/db.ts";
import { insertSnapshot, listSnapshots } from "#daemon/db/instances_snapshots.ts";
import { getPool } from "#daemon/db/storage_pools.ts";
import {
  insertVolumeSnapshot,
  listVolumeSnapshots,
  volumeId,
} from "#daemon/db/volume_snapshots.ts";
import { volumeOf } from "./context.ts";
import { snapshotRootOn, withRootOn } from "./expand.ts";
import type { CreationPlan, FilledSource } from "./plan_creation.ts";
import type { InstanceRecord } from "./record.ts";

/** Snapshots of the source, and the configuration of its volume and theirs. */
export async function copySnapshotRows(
  tx: Tx,
  plan: CreationPlan,
  { id, ...target }: InstanceRecord,
): Promise<void> {
  if (plan.source.kind === "filled") return await savedRows(tx, plan.source, { id, ...target });
  if (plan.source.kind !== "copy") return;
  const { instance, snapshot, withSnapshots } = plan.source;
  const from = await volumeId(tx, { ...volumeOf(instance), type: "container" });
  const to = await volumeId(tx, { ...volumeOf(target), type: "container" });
  const saved = await listVolumeSnapshots(tx, from);
  const config = snapshot === undefined
    ? await readConfig(tx, "storage_volumes", from)
    : saved.find((one) => one.name === snapshot.name)?.config ?? {};
  const { pool } = volumeOf(target);
  await writeConfig(tx, "storage_volumes", to, fittingConfig(await getPool(tx, pool), config));
  if (!withSnapshots) return;
  for (const one of (await listSnapshots(tx, [instance])).get(instance.id) ?? []) {
    const devices = withRootOn(one.devices, one.expandedDevices, pool);
    await insertSnapshot(tx, { id }, { ...one, devices });
    const row = saved.find(({ name }) => name === one.name);
    const { description, config } = row ?? { description: "", config: {} };
    await insertVolumeSnapshot(tx, to, { ...one, description, config });
  }
}

async function savedRows(
  tx: Tx,
  { saved }: FilledSource,
  { id, ...target }: InstanceRecord,
): Promise<void> {
  const to = await volumeId(tx, { ...volumeOf(target), type: "container" });
  const { pool } = volumeOf(target);
  const config = fittingConfig(await getPool(tx, pool), saved.volume?.config ?? {});
  await writeConfig(tx, "storage_volumes", to, config);
  for (const one of saved.snapshots) {
    const devices = snapshotRootOn(one, target.profiles, pool);
    await insertSnapshot(tx, { id }, { ...one, devices });
    const row = saved.volumeSnapshots.find(({ name }) => name === one.name);
    const { description, config } = row ?? { description: "", config: {} };
    await insertVolumeSnapshot(tx, to, {
      name: one.name,
      expiresAt: one.expiresAt,
      description,
      config,
    });
  }
}
