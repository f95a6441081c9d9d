/** backup.yaml beside each root: what `lxd recover` needs if the database is lost. */
import { formatYaml } from "#api/yaml.ts";
import { poolInfo, volumeInfo } from "#daemon/db/backup_info.ts";
import { findInstanceById } from "#daemon/db/instances.ts";
import { listSnapshots } from "#daemon/db/instances_snapshots.ts";
import { listVolumeSnapshots, volumeId } from "#daemon/db/volume_snapshots.ts";
import { type InstanceContext, volumeOf } from "./context.ts";
import { NEVER, renderInstance, renderSnapshot } from "./render.ts";

/**
 * Write the backup.yaml of an instance anew; nothing if it is gone. What it tells of has been done already: a
 * failure, as on a full pool, is reported, and the next change writes it.
 */
export async function saveBackupYaml(ctx: InstanceContext, id: number): Promise<void> {
  // Of many changes in a row only the first waiting one writes: it reads the newest state.
  const name = `backup.yaml ${id}`;
  if (ctx.pendingBackups.has(name)) return;
  ctx.pendingBackups.add(name);
  using _turn = await ctx.locks.acquire(name);
  ctx.pendingBackups.delete(name);
  try {
    await write(ctx, id);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return; // It was deleted meanwhile.
    ctx.onError(`write the backup.yaml of instance ${id}`, error);
  }
}

async function write(ctx: InstanceContext, id: number): Promise<void> {
  const found = await describeInstance(ctx, id);
  if (found === undefined) return;
  const text = formatYaml(found.description);
  await ctx.storage.instances.writeBackupYaml(volumeOf(found.record), text);
}

/** Keys of pools that LXD has not: it would take no pool that has them. How a tree is kept, it says itself. */
const OWN_POOL_KEYS = ["dir.clone"];

function withoutOwnKeys(config: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).filter(([key]) => !OWN_POOL_KEYS.includes(key)),
  );
}

/** What `lxd recover` and the import of a backup need to know of an instance, as LXD writes it. */
export async function describeInstance(ctx: InstanceContext, id: number) {
  const facts = await ctx.db.read(async (tx) => {
    const record = await findInstanceById(tx, id);
    if (record === undefined || record.isHalfMade) return undefined;
    const volume = { ...volumeOf(record), type: "container" as const };
    return {
      record,
      snapshots: (await listSnapshots(tx, [record])).get(id) ?? [],
      pool: await poolInfo(tx, volume.pool),
      info: await volumeInfo(tx, volume),
      volumeSnapshots: await listVolumeSnapshots(tx, await volumeId(tx, volume)),
    };
  });
  if (facts === undefined) return undefined;
  const { record, snapshots, pool, info } = facts;
  const description = {
    container: renderInstance(record, ctx.runtime.state(id)),
    snapshots: snapshots.map((snapshot) => renderSnapshot(snapshot)),
    pool: pool === undefined ? null : {
      config: withoutOwnKeys(pool.config),
      description: pool.description,
      name: pool.name,
      driver: pool.driver,
      used_by: [],
      status: "Created",
      locations: ["none"],
    },
    profiles: record.profiles.map((layer) => ({
      config: { ...layer.config },
      description: "",
      devices: { ...layer.devices },
      name: layer.name,
      used_by: [],
    })),
    volume: {
      config: { ...info.config },
      description: info.description,
      name: record.name,
      type: "container",
      used_by: [],
      location: "none",
      content_type: "filesystem",
      project: record.project,
      created_at: NEVER,
    },
    volume_snapshots: facts.volumeSnapshots.map((one) => ({
      description: one.description,
      expires_at: one.expiresAt === "" ? NEVER : one.expiresAt,
      name: one.name,
      config: { ...one.config },
      content_type: "filesystem",
      created_at: NEVER,
    })),
  };
  return { record, description };
}
