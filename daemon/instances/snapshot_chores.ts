/** What the clock does with instance snapshots: take those of snapshots.schedule, delete expired ones. */
import { nextTime } from "#base/cron.ts";
import { isTrue } from "#base/units.ts";
import { text } from "#daemon/db/db.ts";
import { listInstances } from "#daemon/db/instances.ts";
import { listSnapshots } from "#daemon/db/instances_snapshots.ts";
import { expiryChore } from "#daemon/operations/expiry.ts";
import type { Chore } from "#daemon/operations/scheduler.ts";
import type { InstanceContext } from "./context.ts";
import { isRunning } from "./machine.ts";
import type { InstanceRecord } from "./record.ts";
import { deleteSnapshot } from "./snapshots.ts";
import { planSnapshotName, scheduleOf, takeSnapshot } from "./take_snapshot.ts";

/** A schedule missed while no daemon ran is not made up for; an expiry is. */
export function snapshotChores(ctx: InstanceContext): Chore[] {
  return [scheduledSnapshots(ctx), expiredSnapshots(ctx)];
}

/** Instances that have a schedule; cheap where none has. */
async function scheduled(ctx: InstanceContext): Promise<InstanceRecord[]> {
  return await ctx.db.read(async (tx) => {
    const any = await tx.get(
      `SELECT 1 FROM instances_config WHERE key = 'snapshots.schedule'
         UNION SELECT 1 FROM profiles_config WHERE key = 'snapshots.schedule'`,
    );
    if (any === undefined) return [];
    return (await listInstances(tx)).filter((one) =>
      !one.isHalfMade && (one.expandedConfig["snapshots.schedule"] ?? "") !== ""
    );
  });
}

function scheduledSnapshots(ctx: InstanceContext): Chore {
  return {
    what: "take scheduled snapshots",
    async next(since) {
      const times = (await scheduled(ctx)).map((one) => nextTime(scheduleOf(one), since))
        .filter((time) => time !== undefined);
      return times.toSorted((a, b) => a.getTime() - b.getTime())[0];
    },
    async run(since, now) {
      for (const instance of await scheduled(ctx)) {
        const due = nextTime(scheduleOf(instance), since);
        if (due === undefined || due > now) continue;
        const runs = isRunning(ctx.runtime.state(instance.id));
        if (!runs && !isTrue(instance.expandedConfig["snapshots.schedule.stopped"])) continue;
        try {
          const name = await planSnapshotName(ctx, instance, "");
          await takeSnapshot(ctx, instance, { name, expiresAt: undefined }, {});
        } catch (error) {
          ctx.onError(`take the scheduled snapshot of "${instance.name}"`, error);
        }
      }
    },
  };
}

function expiredSnapshots(ctx: InstanceContext): Chore {
  return expiryChore({
    what: "delete expired snapshots",
    async first() {
      const row = await ctx.db.read((tx) =>
        tx.get("SELECT min(expiry_date) AS first FROM instances_snapshots WHERE expiry_date > ''")
      );
      return row === undefined ? "" : text(row, "first");
    },
    async run(now) {
      const instances = await ctx.db.read((tx) => listInstances(tx));
      const all = await ctx.db.read((tx) => listSnapshots(tx, instances));
      for (const instance of instances) {
        for (const { name, expiresAt } of all.get(instance.id) ?? []) {
          if (expiresAt === "" || new Date(expiresAt) > now) continue;
          try {
            await deleteSnapshot(ctx, instance, name, {});
          } catch (error) {
            ctx.onError(`delete the expired snapshot "${instance.name}/${name}"`, error);
          }
        }
      }
    },
  });
}
