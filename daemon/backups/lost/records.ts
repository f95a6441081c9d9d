/** Records for what was found on pools, all in one transaction. */
import { newVolumeConfig } from "#api/config/pool_keys.ts";
import type { Tx } from "#daemon/db/db.ts";
import { insertInstance, markMade, profileLayers } from "#daemon/db/instances.ts";
import { insertSnapshot, type NewSnapshot } from "#daemon/db/instances_snapshots.ts";
import { getPool, insertPool, insertVolume } from "#daemon/db/storage_pools.ts";
import { insertVolumeSnapshot } from "#daemon/db/volume_snapshots.ts";
import { expandDevices, snapshotRootOn, withRootOn } from "#daemon/instances/expand.ts";
import { findArchitecture, hostArchitecture } from "#daemon/instances/record.ts";
import type { Findings, LostInstance, LostVolume } from "./scan.ts";

/** @returns ids of the instances. @throws {Fault} conflict, bad_request */
export async function writeRecords(tx: Tx, findings: Findings): Promise<number[]> {
  for (const pool of findings.pools) await insertPool(tx, pool);
  for (const volume of findings.volumes) await writeVolume(tx, volume);
  const ids: number[] = [];
  for (const instance of findings.instances) ids.push(await writeInstance(tx, instance));
  return ids;
}

async function writeVolume(tx: Tx, lost: LostVolume): Promise<void> {
  const { pool, project, name, volume, sizeBytes } = lost;
  const config = newVolumeConfig(await getPool(tx, pool), {});
  delete config["size"]; // Of new volumes; this one has its own.
  if (sizeBytes > 0) config["size"] = `${sizeBytes}B`;
  const id = await insertVolume(tx, {
    ...{ pool, project, name, config, type: "custom", description: "" },
    contentType: volume.content,
  });
  for (const one of lost.snapshots) {
    await insertVolumeSnapshot(tx, id, { name: one, description: "", expiresAt: "", config });
  }
}

async function writeInstance(tx: Tx, lost: LostInstance): Promise<number> {
  const { pool, project, name, saved } = lost;
  const { instance } = saved;
  const profiles = await profileLayers(tx, project, instance.profiles);
  const id = await insertInstance(tx, {
    ...{ project, name, profiles },
    description: instance.description,
    architecture: findArchitecture(instance.architecture) ?? hostArchitecture(),
    isEphemeral: instance.isEphemeral,
    createdAt: instance.createdAt,
    config: instance.config,
    devices: withRootOn(instance.devices, expandDevices(profiles, instance.devices), pool),
  });
  const volumeConfig = saved.volume?.config ?? {};
  const volumeId = await insertVolume(tx, {
    ...{ pool, project, name, type: "container" },
    description: saved.volume?.description ?? "",
    config: volumeConfig,
  });
  for (const one of snapshotsOf(lost)) {
    await insertSnapshot(tx, { id }, { ...one, devices: snapshotRootOn(one, profiles, pool) });
    const row = saved.volumeSnapshots.find((other) => other.name === one.name);
    const { description, config } = row ?? { description: "", config: volumeConfig };
    const { expiresAt } = one;
    await insertVolumeSnapshot(tx, volumeId, { name: one.name, expiresAt, description, config });
  }
  await markMade(tx, id);
  return id;
}

/**
 * Those on disk, oldest first. One that a crash kept out of backup.yaml gets what the instance has.
 * Pure.
 */
export function snapshotsOf(
  { saved, snapshots }: Pick<LostInstance, "saved" | "snapshots">,
): NewSnapshot[] {
  const described = saved.snapshots.filter(({ name }) => snapshots.includes(name));
  const others = snapshots.filter((name) => !described.some((one) => one.name === name));
  const now = { ...saved.instance, createdAt: new Date().toISOString(), expiresAt: "" };
  return [...described, ...others.map((name) => ({ ...now, name }))];
}
