/** Custom volumes made, changed and removed: rows and data together, one change of a volume at a time. */
import { newVolumeConfig } from "#api/config/pool_keys.ts";
import type { HostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import { parseBytes } from "#base/units.ts";
import { type Config, readConfig, writeConfig } from "#daemon/db/config.ts";
import {
  deleteVolumeRow,
  getPool,
  insertVolume,
  listVolumes,
  type VolumeRow,
} from "#daemon/db/storage_pools.ts";
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import { removeIfEmpty, removeTree } from "#daemon/host/files.ts";
import { checkVolumeAllowed } from "#daemon/projects/check.ts";
import { type CustomContext, getVolume, lockVolume, placeOf } from "./context.ts";
import { changesShifting, checkShifting, withoutMap } from "./shifting.ts";
import { noteUnfinished } from "./unfinished.ts";
import type { VolumeContent } from "#daemon/storage/volume.ts";

export interface NewVolume {
  readonly contentType: VolumeContent;
  readonly description: string;
  readonly config: Readonly<Record<string, string>>;
}

/** @throws {Fault} bad_request */
export function checkVolumeName(name: string): void {
  if (name === "") throw new Fault("bad_request", "No name provided");
  if (/[/\s\0]/.test(name) || name.startsWith(".") || name.length > 63) {
    throw new Fault("bad_request", `Invalid storage volume name "${name}"`, {
      hint:
        "Names have at most 63 characters, no slashes, no white space, no dot at the beginning.",
    });
  }
}

/** @throws {Fault} conflict */
export async function requireFreeName(ctx: CustomContext, volume: VolumeName): Promise<void> {
  const { pool, project, name } = volume;
  const known = await ctx.db.read((tx) => listVolumes(tx, { pool, project, name, type: "custom" }));
  if (known.length > 0) throw new Fault("conflict", `Volume "${name}" already exists`);
}

/** What a new volume is configured with: its own keys over the pool's, and a disk's size. */
export async function fullConfig(
  ctx: CustomContext,
  pool: string,
  { contentType, config }: NewVolume,
): Promise<Record<string, string>> {
  const row = await ctx.db.read((tx) => getPool(tx, pool));
  const all = newVolumeConfig(row, config);
  if (contentType === "block" && (all["size"] ?? "") === "") all["size"] = "10GiB";
  checkShifting(all);
  return all;
}

/** Bytes; undefined: no limit. @throws {Fault} bad_request if it is no size */
export const sizeOf = (config: Readonly<Record<string, string>>) => {
  const size = config["size"] ?? "";
  return size === "" ? undefined : parseBytes(size);
};

/** All or nothing. @throws {Fault} conflict, not_found, bad_request for its keys or the project's limits */
export async function createVolume(
  ctx: CustomContext,
  volume: VolumeName,
  wish: NewVolume,
): Promise<void> {
  using _held = await lockVolume(ctx, volume);
  await requireFreeName(ctx, volume);
  const config = await fullConfig(ctx, volume.pool, wish);
  await using _note = await noteUnfinished(ctx, { what: "make", volume: { ...volume, ...wish } });
  await using undo = new Undo((step, error) => ctx.onError(`undo of volume: ${step}`, error));
  const { driver, volume: made } = await placeOf(ctx, { ...volume, ...wish, config });
  const sizeBytes = sizeOf(config);
  await driver.create(made, sizeBytes === undefined ? {} : { sizeBytes });
  undo.add("remove the volume", () => driver.remove(made));
  await ctx.db.write(async (tx) => {
    // With nobody between: others may have used up the limits of the project.
    await checkVolumeAllowed(tx, volume.project, { name: volume.name, size: sizeOf(config) });
    await insertVolume(tx, { ...volume, ...wish, config, type: "custom" });
  });
  undo.keep();
}

/** @throws {Fault} bad_request naming the instances. */
export async function requireNotRunning(
  ctx: CustomContext,
  volume: VolumeName,
  action: "restore" | "rename" | "move" | "refresh" | "shift",
): Promise<void> {
  const users = await ctx.runningUsers(volume);
  if (users.length === 0) return;
  throw new Fault("bad_request", `Cannot ${action} custom volume used by running instances`, {
    hint: `Stop ${users.slice(0, 5).join(", ")} first, or detach the volume.`,
  });
}

/** @throws {Fault} bad_request if the server keeps its images or backups on it. */
export async function requireNotServers(
  ctx: CustomContext,
  volume: VolumeName,
  action: "attached" | "deleted" | "moved" | "renamed" | "restored" | "snapshotted",
): Promise<void> {
  if (!await ctx.isServers(volume)) return;
  const text = action === "snapshotted"
    ? "Volumes used by LXD itself cannot have snapshots"
    : `Volume is used by LXD itself and cannot be ${action}`;
  throw new Fault("bad_request", text, {
    hint: "Unset storage.images_volume or storage.backups_volume first.",
  });
}

/**
 * @param usersOf URLs of the instances and profiles that have it.
 * @throws {Fault} bad_request if there are any.
 */
export async function removeVolume(
  ctx: CustomContext,
  volume: VolumeName,
  usersOf: (row: VolumeRow) => Promise<readonly string[]>,
): Promise<void> {
  using _held = await lockVolume(ctx, volume);
  const row = await getVolume(ctx, volume);
  await requireNotServers(ctx, row, "deleted");
  const users = await usersOf(row);
  if (users.length > 0) {
    throw new Fault("bad_request", "The storage volume is still in use", {
      hint: `Used by ${users.slice(0, 5).join(", ")}`,
    });
  }
  await removeLocked(ctx, row);
}

/** With its lock held, and nobody who uses it. */
export async function removeLocked(ctx: CustomContext, row: VolumeRow): Promise<void> {
  await using _note = await noteUnfinished(ctx, { what: "remove", volume: row });
  await dropVolume(ctx, row);
}

/** Data, backups and row, in this order: done again it does the rest. */
export async function dropVolume(ctx: CustomContext, row: VolumeRow): Promise<void> {
  const { driver, volume } = await placeOf(ctx, row);
  await driver.remove(volume);
  await removeTree(backupFolder(ctx, row));
  await removeIfEmpty(ctx.paths.at("backups/custom", row.pool));
  await ctx.db.write((tx) => deleteVolumeRow(tx, row));
}

/** Where its backups are. */
export function backupFolder(
  { paths }: Pick<CustomContext, "paths">,
  { pool, project, name }: VolumeName,
): HostPath {
  return paths.at("backups/custom", pool, `${project}_${name}`);
}

/** The size, and what a driver applies with it. */
const SIZE_KEYS = ["size", "zfs.blocksize", "zfs.reserve_space", "zfs.use_refquota"];

/** Does a change of the configuration change the volume on disk? Pure. */
export const changesDisk = (before: Config, after: Config) =>
  SIZE_KEYS.some((key) => (before[key] ?? "") !== (after[key] ?? ""));

/**
 * Configuration and description; a size acts at once.
 *
 * @throws {Fault} bad_request if running instances would see other ids
 */
export async function changeVolume(
  ctx: CustomContext,
  volume: VolumeRow,
  change: { readonly config: Readonly<Record<string, string>>; readonly description: string },
): Promise<void> {
  using _held = await lockVolume(ctx, volume);
  const before = await ctx.db.read((tx) => readConfig(tx, "storage_volumes", volume.id));
  checkShifting(change.config);
  const config = withoutMap(change.config);
  if (changesShifting(before, config)) await requireNotRunning(ctx, volume, "shift");
  await using undo = new Undo((step, error) => ctx.onError(`undo of volume: ${step}`, error));
  if (changesDisk(before, config)) {
    const isUsed = await ctx.isServers(volume) || (await ctx.runningUsers(volume)).length > 0;
    const resize = async (config: Config) => {
      const { driver, volume: made } = await placeOf(ctx, { ...volume, config });
      await driver.resize(made, sizeOf(config) ?? 0, { isUsed });
    };
    await resize(config);
    undo.add("size of before", () => resize(before));
  }
  await ctx.db.write(async (tx) => {
    await writeConfig(tx, "storage_volumes", volume.id, config);
    await tx.run(
      "UPDATE storage_volumes SET description = ? WHERE id = ?",
      change.description,
      volume.id,
    );
  });
  undo.keep();
}
