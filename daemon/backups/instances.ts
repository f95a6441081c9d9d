/** Backups of instances: archives below backups/instances/<instance>/<name>. */
import { formatYaml } from "#api/yaml.ts";
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import {
  type BackupOwner,
  type BackupRow,
  deleteBackupRow,
  getBackup,
  insertBackup,
  listBackups,
  renameBackupRow,
} from "#daemon/db/backups.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { describeInstance } from "#daemon/instances/backup_yaml.ts";
import { type InstanceContext, lxcName, volumeOf } from "#daemon/instances/context.ts";
import { getSnapshot } from "#daemon/db/instances_snapshots.ts";
import { removeIfThere } from "#daemon/host/files.ts";
import { diskMapOf } from "#daemon/instances/id_maps.ts";
import type { InstanceRecord } from "#daemon/instances/record.ts";
import { backupEvent } from "./event.ts";
import { hasHeader, INSTANCE_STREAMS, streamParts } from "./optimized.ts";
import { packBackup, type Part } from "./tarball.ts";

/** Of a volume's directory only what LXD has there too. */
export const ROOT_PARTS = ["metadata.yaml", "templates", "rootfs"];

export interface BackupWish {
  readonly name: string;
  readonly expiresAt: string;
  /** Without snapshots. */
  readonly isBare: boolean;
  readonly compression: string;
  /** In the format of the storage driver, if it has one. */
  readonly isOptimized: boolean;
}

/** undefined: nobody asked, its time is over. */
interface Asked {
  readonly caller: Caller | undefined;
}

interface AskedMake extends Asked {
  readonly signal: AbortSignal;
}

export interface InstanceBackups {
  list(instance: InstanceRecord): Promise<BackupRow[]>;
  /** @throws {Fault} not_found */
  get(instance: InstanceRecord, name: string): Promise<BackupRow>;
  /** "backup0", "backup1" ... or the name given. @throws {Fault} conflict, bad_request */
  planName(instance: InstanceRecord, name: string): Promise<string>;
  make(instance: InstanceRecord, wish: BackupWish, asked: AskedMake): Promise<void>;
  rename(instance: InstanceRecord, change: { from: string; to: string } & Asked): Promise<void>;
  remove(instance: InstanceRecord, name: string, asked: Asked): Promise<void>;
  path(instance: Pick<InstanceRecord, "project" | "name">, name: string): HostPath;
}

/** Makes an archive or nothing; names are locked, so that two of one name can't be made at once. */
export function instanceBackups(ctx: InstanceContext): InstanceBackups {
  const folder = (instance: Pick<InstanceRecord, "project" | "name">) =>
    ctx.paths.at("backups/instances", lxcName(instance));
  const path: InstanceBackups["path"] = (instance, name) => hostPath(`${folder(instance)}/${name}`);
  const get: InstanceBackups["get"] = (instance, name) =>
    ctx.db.read((tx) => getBackup(tx, "instance", instance.id, name));
  return {
    path,
    get,
    list: (instance) => ctx.db.read((tx) => listBackups(tx, "instance", instance.id)),
    async planName(instance, name) {
      const taken = await ctx.db.read((tx) => listBackups(tx, "instance", instance.id));
      return chooseBackupName(name, taken);
    },
    async make(instance, wish, { caller, signal }) {
      using _held = await ctx.locks.acquire(lockName("instance", instance.id, wish.name), signal);
      await using undo = new Undo((step, error) => ctx.onError(`undo of backup: ${step}`, error));
      const place = await ctx.storage.instances.locate(volumeOf(instance));
      const isOptimized = wish.isOptimized && place.driver.streams !== undefined;
      const target = path(instance, wish.name);
      await Deno.mkdir(folder(instance), { recursive: true, mode: 0o700 });
      undo.add("remove the folder", () => removeIfEmpty(folder(instance)));
      const id = await ctx.db.write((tx) =>
        insertBackup(tx, "instance", instance.id, {
          ...wish,
          createdAt: new Date().toISOString(),
          isOptimized,
        })
      );
      undo.add("delete the row", () => ctx.db.write((tx) => deleteBackupRow(tx, "instance", id)));
      await pack(ctx, instance, { ...wish, isOptimized }, hostPath(`${target}.new`), signal);
      await Deno.rename(`${target}.new`, target);
      undo.keep();
      backupEvent(ctx.events, "created", { instance, name: wish.name, caller });
    },
    async rename(instance, { from: name, to: newName, caller }) {
      const backup = await get(instance, name);
      checkBackupName(newName);
      await using undo = new Undo((step, error) => ctx.onError(`undo of rename: ${step}`, error));
      await ctx.db.write((tx) => renameBackupRow(tx, "instance", backup, newName));
      undo.add(
        "old name",
        () => ctx.db.write((tx) => renameBackupRow(tx, "instance", backup, name)),
      );
      await Deno.rename(path(instance, name), path(instance, newName));
      undo.keep();
      const context = { old_name: `${instance.name}/${name}` };
      backupEvent(ctx.events, "renamed", { instance, name: newName, caller, context });
    },
    async remove(instance, name, { caller }) {
      using _held = await ctx.locks.acquire(lockName("instance", instance.id, name));
      const backup = await get(instance, name);
      await removeIfThere(path(instance, name));
      await removeIfEmpty(folder(instance));
      await ctx.db.write((tx) => deleteBackupRow(tx, "instance", backup.id));
      backupEvent(ctx.events, "deleted", { instance, name, caller });
    },
  };
}

/** Held while a backup is made or removed. */
export function lockName(owner: BackupOwner, ownerId: number, name: string): string {
  return `backup of ${owner} ${ownerId}/${name}`;
}

/** @throws {Fault} conflict if it is taken. */
export function chooseBackupName(name: string, taken: readonly { name: string }[]): string {
  if (name === "") {
    let number = 0;
    while (taken.some((one) => one.name === `backup${number}`)) number++;
    return `backup${number}`;
  }
  checkBackupName(name);
  if (taken.some((one) => one.name === name)) {
    throw new Fault("conflict", `Backup "${name}" already exists`);
  }
  return name;
}

/** @throws {Fault} bad_request */
export function checkBackupName(name: string): void {
  if (name !== "" && !/[/\s\0]/.test(name) && !name.startsWith(".") && name.length < 200) return;
  throw new Fault("bad_request", `Invalid backup name "${name}"`, {
    hint: "Names have no slashes, no white space and do not begin with a dot.",
  });
}

async function pack(
  ctx: InstanceContext,
  instance: InstanceRecord,
  wish: BackupWish,
  target: HostPath,
  signal: AbortSignal,
): Promise<void> {
  const found = await describeInstance(ctx, instance.id);
  if (found === undefined) throw new Fault("not_found", "Instance not found");
  const { record, description } = found;
  const volume = volumeOf(record);
  const snapshots = wish.isBare ? [] : description.snapshots.map(({ name }) => name);
  const config = wish.isBare
    ? { ...description, snapshots: [], volume_snapshots: [] }
    : description;
  const index = formatYaml({
    name: record.name,
    backend: description.pool?.driver ?? "",
    pool: volume.pool,
    ...(snapshots.length > 0 && { snapshots }),
    optimized: wish.isOptimized,
    optimized_header: wish.isOptimized && hasHeader(description.pool?.driver ?? ""),
    type: "container",
    config,
  });
  const { compression } = wish;
  if (wish.isOptimized) {
    const place = await ctx.storage.instances.locate(volume);
    const streams = { place, names: INSTANCE_STREAMS, snapshots, paths: ctx.paths, signal };
    return await packBackup({ target, index, parts: streamParts(streams), compression, signal });
  }
  await using views = new AsyncDisposableStack();
  const partsOf = async (name: string, snapshot?: string): Promise<Part[]> => {
    const saved = snapshot === undefined
      ? record
      : await ctx.db.read((tx) => getSnapshot(tx, record, snapshot));
    const diskMap = diskMapOf(saved.config);
    const view = views.use(await ctx.storage.instances.openPlain(volume, { snapshot, diskMap }));
    const directory = ctx.storage.instances.directory(volume, snapshot);
    return [
      { source: directory, name, only: ["backup.yaml", "metadata.yaml", "templates"] },
      { source: view.path, name: `${name}/rootfs` },
    ];
  };
  const parts: Part[] = [];
  for (const one of snapshots) parts.push(...await partsOf(`backup/snapshots/${one}`, one));
  parts.push(...await partsOf("backup/container"));
  await packBackup({ target, index, parts, compression, signal });
}

/** The folder of an instance's backups goes with the last of them. */
export async function removeIfEmpty(path: HostPath): Promise<void> {
  await Deno.remove(path).catch(() => undefined); // Ignored: others are in it.
}
