/** Id maps of an instance: the one that it runs with, and the one by which its files are shifted on disk. */
import { Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import { listInstances, patchInstanceConfig } from "#daemon/db/instances.ts";
import { chooseIdmap, type TakenMap } from "#daemon/idmap/choose.ts";
import { idmapJson, parseIdmapJson } from "#daemon/idmap/format.ts";
import type { IdMap } from "#daemon/idmap/idmap.ts";
import { type DiskMap, isSameMap, type ShiftState } from "#daemon/storage/shift.ts";
import { type InstanceContext, volumeOf } from "./context.ts";
import type { VolatileChanges } from "./device_host.ts";
import { isRunning } from "./machine.ts";
import type { Config, InstanceRecord } from "./record.ts";

/** Absent: plain ids. */
export const ON_DISK = "volatile.last_state.idmap";
/** What the files are being shifted to: an interrupted shift is finished by the next start. */
const SHIFTING = "volatile.idmap.shifting";

/** The map of the next start. */
export async function chooseMap(
  ctx: InstanceContext,
  record: InstanceRecord,
  volatile: VolatileChanges,
): Promise<IdMap | null> {
  const config = record.expandedConfig;
  const base = Number(record.config["volatile.idmap.base"] ?? 0);
  const isIsolated = isTrue(config["security.idmap.isolated"]);
  // An isolated instance keeps its range as long as the keys allow it.
  const taken = isIsolated ? await takenMaps(ctx, record) : [];
  const fixed = isIsolated && base > 0 && (config["security.idmap.base"] ?? "") === "" &&
      taken.every((other) => other.base >= base + 65536 || other.base + other.size <= base)
    ? { ...config, "security.idmap.base": String(base) }
    : config;
  const chosen = chooseIdmap(fixed, ctx.facts.idRange, taken);
  const json = idmapJson(chosen.idmap);
  volatile.set({
    "volatile.idmap.base": String(chosen.base),
    "volatile.idmap.next": json,
    "volatile.idmap.current": json,
  });
  return chosen.idmap;
}

/** Isolated ranges that others hold. */
export async function takenMaps(
  ctx: InstanceContext,
  record: { readonly id: number },
): Promise<TakenMap[]> {
  const all = await ctx.db.read((tx) => listInstances(tx));
  const maps: TakenMap[] = [];
  for (const other of all) {
    const base = Number(other.config["volatile.idmap.base"] ?? 0);
    if (other.id === record.id || base === 0) continue;
    const size = Number(other.expandedConfig["security.idmap.size"] ?? "") || 65536;
    maps.push({ base, size });
  }
  return maps;
}

/** The map that it runs with, or would at its next start. */
export function currentMap(ctx: InstanceContext, record: InstanceRecord): IdMap | null {
  const { config, expandedConfig } = record;
  if (isRunning(ctx.runtime.state(record.id))) {
    return parseIdmapJson(config["volatile.idmap.current"]) ?? null;
  }
  const known = parseIdmapJson(config["volatile.idmap.next"]);
  const isIsolated = isTrue(expandedConfig["security.idmap.isolated"]);
  if (isIsolated && known !== undefined) return known;
  return chooseIdmap(expandedConfig, ctx.facts.idRange, []).idmap;
}

/** By which its files are shifted; null: they have plain ids. */
export function diskMapOf(config: Config): DiskMap {
  return parseIdmapJson(config[ON_DISK]) ?? null;
}

/**
 * Give the files on disk the ids that a start with `idmap` finds there: plain ones where mounts map ids.
 *
 * @returns by which map they are shifted now.
 * @throws {Fault} bad_request where security.protection.shift forbids it
 */
export async function shiftForStart(
  ctx: InstanceContext,
  record: InstanceRecord,
  options: { readonly idmap: IdMap | null; readonly signal?: AbortSignal | undefined },
): Promise<DiskMap> {
  const volume = volumeOf(record);
  const target = await ctx.storage.instances.mapsIds(volume) ? null : options.idmap;
  const now = diskMapOf(record.config);
  const begun = parseIdmapJson(record.config[SHIFTING]);
  const state: ShiftState = begun === undefined ? { now } : { now, begun };
  if (begun === undefined && isSameMap(now, target)) {
    if (record.config[ON_DISK] === undefined) await note(ctx, record.id, state);
    return target;
  }
  if (isTrue(record.expandedConfig["security.protection.shift"])) {
    throw new Fault("bad_request", "Container is protected against filesystem shifting", {
      hint: "Its id map has changed: change it back, or unset security.protection.shift.",
    });
  }
  await ctx.storage.instances.shift(volume, {
    state,
    target,
    note: (reached) => note(ctx, record.id, reached),
    ...(options.signal !== undefined && { signal: options.signal }),
  });
  return target;
}

async function note(ctx: InstanceContext, id: number, { now, begun }: ShiftState): Promise<void> {
  await ctx.db.write((tx) =>
    patchInstanceConfig(tx, id, {
      [ON_DISK]: idmapJson(now),
      [SHIFTING]: begun === undefined ? undefined : idmapJson(begun),
    })
  );
}
