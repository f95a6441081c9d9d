/** Rename a stopped instance: row, volume, logs, what devices registered. */
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import {
  findInstance,
  findInstanceById,
  patchInstanceConfig,
  renameInstance,
} from "#daemon/db/instances.ts";
import { requireType } from "#daemon/devices/registry.ts";
import { exists, renameIfThere } from "#daemon/host/files.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { saveBackupYaml } from "./backup_yaml.ts";
import { INSTANCE_ID } from "./cloud_init.ts";
import { announce, type InstanceContext, lockInstance, lxcName, volumeOf } from "./context.ts";
import { deviceHost, deviceOf, VolatileChanges } from "./device_host.ts";
import { assertAllowed } from "./machine.ts";
import { checkInstanceName } from "./name.ts";
import type { InstanceRecord } from "./record.ts";

/** @throws {Fault} conflict if the name is taken, bad_request if it is no name or the instance runs. */
export async function assertRenamable(
  ctx: InstanceContext,
  instance: InstanceRecord,
  name: string,
): Promise<void> {
  checkInstanceName(name);
  assertAllowed(ctx.runtime.state(instance.id), "rename");
  const taken = await ctx.db.read((tx) => findInstance(tx, instance.project, name));
  if (taken !== undefined) throw new Fault("conflict", `Name "${name}" already in use`);
}

/** Noted before the first step of a rename and gone with the last. */
export const RENAME_TO = "volatile.rename_to";

/** All or nothing. @throws {Fault} bad_request if it runs, conflict if the name is taken */
export async function renameTo(
  ctx: InstanceContext,
  instance: InstanceRecord,
  name: string,
  options: { caller?: Caller },
): Promise<void> {
  using _held = await lockInstance(ctx, instance);
  await assertRenamable(ctx, instance, name);
  const old = instance.name;
  await using undo = new Undo((step, error) => ctx.onError(`undo of rename: ${step}`, error));
  await ctx.db.write((tx) => patchInstanceConfig(tx, instance.id, { [RENAME_TO]: name }));
  undo.add("note of the new name", () => forgetNewName(ctx, instance));
  await eachDevice(ctx, instance, "removed");
  undo.add("devices of the old name", () => eachDevice(ctx, instance, "added"));
  await ctx.storage.instances.rename(volumeOf(instance), name);
  undo.add(
    "old name of the volume",
    () => ctx.storage.instances.rename({ ...volumeOf(instance), name }, old),
  );
  await renameBesides(ctx, instance.project, old, name);
  undo.add("old name of logs and backups", () => renameBesides(ctx, instance.project, name, old));
  await ctx.db.write(async (tx) => {
    await renameInstance(tx, instance.id, name);
    // Its templates are written anew at the next start; those of its creation still wait for it.
    const trigger = instance.config["volatile.apply_template"] || "rename";
    await patchInstanceConfig(tx, instance.id, {
      [INSTANCE_ID]: crypto.randomUUID(),
      "volatile.apply_template": trigger,
      [RENAME_TO]: undefined,
    });
  });
  undo.add("old name of the row", () => ctx.db.write((tx) => renameInstance(tx, instance.id, old)));
  const renamed = await ctx.db.read((tx) => findInstanceById(tx, instance.id));
  if (renamed !== undefined) await eachDevice(ctx, renamed, "added");
  undo.keep();
  announce(ctx, "renamed", { ...instance, name }, { ...options, context: { old_name: old } });
  await saveBackupYaml(ctx, instance.id);
}

/** Take back a rename that a crash cut off: the row has the old name until all else is done. */
export async function undoRename(ctx: InstanceContext, record: InstanceRecord): Promise<void> {
  const name = record.config[RENAME_TO] ?? "";
  const [old, renamed] = [volumeOf(record), { ...volumeOf(record), name }];
  const isThere = (volume: typeof old) => exists(ctx.storage.instances.directory(volume));
  if (await isThere(renamed) && !await isThere(old)) {
    await ctx.storage.instances.rename(renamed, record.name);
  }
  await renameBesides(ctx, record.project, name, record.name);
  await eachDevice(ctx, record, "added");
  await forgetNewName(ctx, record);
}

async function forgetNewName(ctx: InstanceContext, { id }: { id: number }): Promise<void> {
  await ctx.db.write((tx) => patchInstanceConfig(tx, id, { [RENAME_TO]: undefined }));
}

async function eachDevice(
  ctx: InstanceContext,
  record: InstanceRecord,
  hook: "added" | "removed",
): Promise<void> {
  // Volatile values stay as they are: the instance keeps its addresses.
  const host = deviceHost(ctx, record, {
    volatile: new VolatileChanges(record.config),
    idmap: null,
  });
  for (const [name, config] of Object.entries(record.expandedDevices)) {
    await requireType(ctx.types, name, config)[hook]?.(deviceOf(ctx, host, name, config));
  }
}

/** Logs and backups. */
async function renameBesides(
  ctx: InstanceContext,
  project: string,
  from: string,
  to: string,
): Promise<void> {
  const backups = (name: string) => ctx.paths.at("backups/instances", lxcName({ project, name }));
  await renameIfThere(ctx.paths.instanceLogs(project, from), ctx.paths.instanceLogs(project, to));
  await renameIfThere(backups(from), backups(to));
}
