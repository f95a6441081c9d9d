/** `lxd recover` on the daemon's side: records for volumes on pools that the database does not know. */
import { Fault } from "#base/errors.ts";
import { LockTable } from "#base/lock.ts";
import { Undo } from "#base/undo.ts";
import { findInstanceById } from "#daemon/db/instances.ts";
import type { InstanceContext } from "#daemon/instances/context.ts";
import { takeUpInstance } from "#daemon/instances/recover.ts";
import type { CustomContext } from "#daemon/storage/custom/context.ts";
import { missingDependencies } from "./dependencies.ts";
import { writeRecords } from "./records.ts";
import { type Findings, type NamedPool, scanPools } from "./scan.ts";

export interface LostAndFound {
  /** Look, and leave all as it is. `missing`: what must be made before an import. */
  find(pools: readonly NamedPool[]): Promise<Findings & { readonly missing: readonly string[] }>;
  /** Look again, and make the records of everything or of nothing. @throws {Fault} bad_request */
  takeUp(pools: readonly NamedPool[]): Promise<void>;
}

/** One search at a time; what a search mounted is unmounted again, unless it is taken up. */
export function lostAndFound(ctx: InstanceContext, custom: CustomContext): LostAndFound {
  const locks = new LockTable();
  const turn = () => locks.acquire("recover");
  const undone = () => new Undo((step, error) => ctx.onError(`undo of recover: ${step}`, error));
  const find = async (pools: readonly NamedPool[], undo: Undo) => {
    const findings = await scanPools(ctx, custom, pools, undo);
    return { ...findings, missing: await ctx.db.read((tx) => missingDependencies(tx, findings)) };
  };
  return {
    async find(pools) {
      using _turn = await turn();
      await using undo = undone();
      return await find(pools, undo);
    },
    async takeUp(pools) {
      using _turn = await turn();
      await using undo = undone();
      const { missing, ...findings } = await find(pools, undo);
      if (missing.length > 0) {
        throw new Fault("bad_request", `Missing: ${missing.join(", ")}`, {
          hint: "Create those entries first.",
        });
      }
      const ids = await ctx.db.write((tx) => writeRecords(tx, findings));
      undo.keep();
      for (const id of ids) {
        const record = await ctx.db.read((tx) => findInstanceById(tx, id));
        if (record !== undefined) await takeUpInstance(ctx, record);
      }
    },
  };
}
