/** Rates of an instance's disks, on the block devices where they lie. */
import {
  combineRates,
  diskRates,
  planDiskRates,
  type RatesByBlock,
} from "#daemon/cgroup/disk_rates.ts";
import { lxcLine } from "#daemon/cgroup/limits.ts";
import { isThere } from "#daemon/devices/node.ts";
import { blockOf } from "#daemon/host/block_device.ts";
import { type InstanceContext, volumeOf } from "./context.ts";
import { isRootDisk } from "./expand.ts";
import { writeCgroup } from "./live.ts";
import type { Config, InstanceRecord } from "./record.ts";

/** @throws {Fault} bad_request if a disk with limits is on no block device. */
function ratesOf(ctx: InstanceContext, record: InstanceRecord): RatesByBlock {
  const disks = Object.values(record.expandedDevices).filter(({ type }) => type === "disk");
  return combineRates(disks.flatMap((config) => {
    const rates = diskRates(config);
    const place = placeOf(ctx, record, config);
    // A source that is not required may come later.
    return rates === undefined || !isThere(place) ? [] : [{ block: blockOf(place), rates }];
  }));
}

function placeOf(ctx: InstanceContext, record: InstanceRecord, config: Config): string {
  if (isRootDisk(config)) return ctx.storage.instances.directory(volumeOf(record));
  const pool = config["pool"] ?? "";
  return pool === "" ? config["source"] ?? "/" : ctx.paths.at("storage-pools", pool);
}

/** For a start. */
export function diskLimitLines(
  ctx: InstanceContext,
  record: InstanceRecord,
): (readonly [string, string])[] {
  return planDiskRates(ctx.facts.layout, new Map(), ratesOf(ctx, record)).map(lxcLine);
}

/** On a running container. @throws {Fault} bad_request */
export async function applyDiskLimits(
  ctx: InstanceContext,
  before: InstanceRecord,
  next: InstanceRecord,
): Promise<void> {
  const writes = planDiskRates(ctx.facts.layout, ratesOf(ctx, before), ratesOf(ctx, next));
  for (const write of writes) await writeCgroup(ctx, before.id, write);
}
