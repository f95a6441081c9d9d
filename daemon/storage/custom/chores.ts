/** What the clock does with custom volumes: snapshots of snapshots.schedule, and their expiry. */
import { nextTime, parseSchedule, type Schedule } from "#base/cron.ts";
import { text } from "#daemon/db/db.ts";
import { listVolumes, type VolumeRow } from "#daemon/db/storage_pools.ts";
import { listVolumeSnapshots } from "#daemon/db/volume_snapshots.ts";
import { expiryAfter, snapshotName } from "#daemon/instances/snapshot_name.ts";
import { expiryChore } from "#daemon/operations/expiry.ts";
import type { Chore } from "#daemon/operations/scheduler.ts";
import { removeVolumeSnapshot, takeVolumeSnapshot } from "./change.ts";
import { type CustomContext, snapshotsOf } from "./context.ts";

/** As snapshotChores, of custom volumes. */
export function volumeChores(ctx: CustomContext): Chore[] {
  return [scheduledSnapshots(ctx), expiredSnapshots(ctx)];
}

function scheduleOf({ config }: VolumeRow): Schedule {
  try {
    return parseSchedule(config["snapshots.schedule"] ?? "");
  } catch {
    return parseSchedule(""); // Ignored: a text that is no schedule has no times.
  }
}

async function scheduled(ctx: CustomContext): Promise<VolumeRow[]> {
  return await ctx.db.read(async (tx) => {
    const any = await tx.get(
      "SELECT 1 FROM storage_volumes_config WHERE key = 'snapshots.schedule'",
    );
    if (any === undefined) return [];
    return (await listVolumes(tx, { type: "custom" })).filter((one) =>
      (one.config["snapshots.schedule"] ?? "") !== ""
    );
  });
}

function scheduledSnapshots(ctx: CustomContext): Chore {
  return {
    what: "take scheduled snapshots of volumes",
    async next(since) {
      const times = (await scheduled(ctx)).map((one) => nextTime(scheduleOf(one), since))
        .filter((time) => time !== undefined);
      return times.toSorted((a, b) => a.getTime() - b.getTime())[0];
    },
    async run(since, now) {
      for (const volume of await scheduled(ctx)) {
        const due = nextTime(scheduleOf(volume), since);
        if (due === undefined || due > now) continue;
        try {
          const taken = (await snapshotsOf(ctx, volume)).map((one) => one.name);
          const name = snapshotName(volume.config["snapshots.pattern"] || "snap%d", taken, now);
          const expiresAt = expiryAfter(now, volume.config["snapshots.expiry"] ?? "");
          await takeVolumeSnapshot(ctx, volume, { name, description: "", expiresAt });
        } catch (error) {
          ctx.onError(`take the scheduled snapshot of volume "${volume.name}"`, error);
        }
      }
    },
  };
}

function expiredSnapshots(ctx: CustomContext): Chore {
  return expiryChore({
    what: "delete expired snapshots of volumes",
    async first() {
      const row = await ctx.db.read((tx) =>
        tx.get(
          `SELECT min(s.expiry_date) AS first FROM storage_volumes_snapshots s
             JOIN storage_volumes v ON v.id = s.storage_volume_id
             WHERE v.type = 2 AND s.expiry_date > ''`,
        )
      );
      return row === undefined ? "" : text(row, "first");
    },
    async run(now) {
      const { volumes, snapshots } = await ctx.db.read(async (tx) => ({
        volumes: await listVolumes(tx, { type: "custom" }),
        snapshots: await listVolumeSnapshots(tx),
      }));
      for (const { volumeId, name, expiresAt } of snapshots) {
        const volume = volumes.find((one) => one.id === volumeId);
        if (volume === undefined || expiresAt === "" || new Date(expiresAt) > now) continue;
        try {
          await removeVolumeSnapshot(ctx, volume, name);
        } catch (error) {
          ctx.onError(`delete the expired snapshot "${volume.name}/${name}"`, error);
        }
      }
    },
  });
}
