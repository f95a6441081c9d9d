/**
 * Custom volumes in instances: whose ids their files have. As in LXD they are shifted on disk to the ids
 * of the instance that uses them, and volatile.idmap.last says to which.
 */
import { Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import { readConfig, writeConfig } from "#daemon/db/config.ts";
import { effectiveProject } from "#daemon/db/projects.ts";
import { listVolumes, type VolumeRow } from "#daemon/db/storage_pools.ts";
import { idmapJson, parseIdmapJson } from "#daemon/idmap/format.ts";
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import type { Storage, VolumeUser } from "#daemon/storage/service.ts";
import { isSameMap, type ShiftState, shiftTree } from "#daemon/storage/shift.ts";
import { LAST, NEXT } from "./shifting.ts";
import { requireNotServers } from "./service.ts";
import { type CustomContext, lockVolume, placeOf } from "./context.ts";

/** Mounted afterwards, and its owners on disk fit the instance. @throws {Fault} not_found, bad_request */
export async function useCustomVolume(
  ctx: CustomContext,
  { pool, name }: { readonly pool: string; readonly name: string },
  user: VolumeUser,
): ReturnType<Storage["useCustom"]> {
  const { name: project } = await ctx.db.read((tx) =>
    effectiveProject(tx, user.project, "storage.volumes")
  );
  using _held = await lockVolume(ctx, { pool, project, name });
  const row = await requireForContainers(ctx, { pool, project, name });
  await requireNotServers(ctx, row, "attached");
  const { driver, volume } = await placeOf(ctx, row);
  const path = await driver.mount(volume);
  const { "security.shifted": shifted, "security.unmapped": unmapped } = row.config;
  if (isTrue(unmapped)) return { path, idmap: false };
  if (isTrue(shifted)) {
    if (user.idmap !== null && !driver.can.idMounts) throw noIdMounts(row);
    return { path, idmap: user.idmap !== null };
  }
  const config = await ctx.db.read((tx) => readConfig(tx, "storage_volumes", row.id));
  const state = shiftStateOf(config);
  if (state.begun === undefined && isSameMap(state.now, user.idmap)) return { path, idmap: false };
  await requireSameMaps(ctx, row, user);
  await shiftTree(ctx.helper, path, {
    state,
    target: user.idmap,
    note: (now) =>
      ctx.db.write((tx) => writeConfig(tx, "storage_volumes", row.id, noted(config, now))),
  });
  return { path, idmap: false };
}

/** @throws {Fault} not_found, bad_request unless it is a file system */
async function requireForContainers(ctx: CustomContext, volume: VolumeName): Promise<VolumeRow> {
  const [row] = await ctx.db.read((tx) => listVolumes(tx, { ...volume, type: "custom" }));
  if (row === undefined) {
    throw new Fault(
      "not_found",
      `Storage volume "${volume.name}" not found on pool "${volume.pool}"`,
    );
  }
  if (row.contentType === "filesystem") return row;
  throw new Fault("bad_request", "Custom block volumes cannot be used on containers", {
    hint: `"${row.name}" is a disk: make a volume without --type=block.`,
  });
}

/** Before an instance gets it. @throws {Fault} not_found, bad_request */
export async function checkCustomVolume(
  ctx: CustomContext,
  { pool, name }: { readonly pool: string; readonly name: string },
  userProject: string,
): Promise<void> {
  const { name: project } = await ctx.db.read((tx) =>
    effectiveProject(tx, userProject, "storage.volumes")
  );
  await requireForContainers(ctx, { pool, project, name });
}

function shiftStateOf(config: Readonly<Record<string, string>>): ShiftState {
  const now = parseIdmapJson(config[LAST]) ?? null;
  const next = parseIdmapJson(config[NEXT]);
  return next === undefined || isSameMap(now, next) ? { now } : { now, begun: next };
}

function noted(config: Readonly<Record<string, string>>, { now, begun }: ShiftState) {
  const next = begun === undefined ? now : begun;
  return { ...config, [LAST]: idmapJson(now), [NEXT]: idmapJson(next) };
}

/** @throws {Fault} bad_request naming the instance that would find files of strangers */
async function requireSameMaps(
  ctx: CustomContext,
  row: VolumeRow,
  user: VolumeUser,
): Promise<void> {
  for (const other of await ctx.volumeUsers(row)) {
    if (other.id === user.id || isSameMap(other.idmap, user.idmap)) continue;
    throw new Fault(
      "bad_request",
      `Idmaps of container "${other.name}" and storage volume "${row.name}" are not identical`,
      { hint: "Set security.shifted=true on the volume to share it between different id maps." },
    );
  }
}

function noIdMounts({ name }: VolumeRow): Fault {
  return new Fault("bad_request", `the storage volume "${name}" can't be mapped to the instance`, {
    hint: "security.shifted=true needs idmapped mounts, which the kernel or the pool lacks.",
  });
}
