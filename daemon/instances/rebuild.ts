/**
 * Give a stopped instance a new root, of an image or empty: all else of it stays. The new root is made
 * beside the old one and takes its place in the end; a note in the row says how far it has come.
 */
import type { InstanceSource } from "#api/routes/instances.ts";
import { Fault, isFaultOf } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import { parseBytes } from "#base/units.ts";
import { readConfig, writeConfig } from "#daemon/db/config.ts";
import type { Tx } from "#daemon/db/db.ts";
import { getInstanceById, patchInstanceConfig } from "#daemon/db/instances.ts";
import { volumeId } from "#daemon/db/volume_snapshots.ts";
import { exists } from "#daemon/host/files.ts";
import type { InstanceVolume } from "#daemon/storage/service.ts";
import { saveBackupYaml } from "./backup_yaml.ts";
import { INSTANCE_ID } from "./cloud_init.ts";
import { announce, type InstanceContext, lockInstance, volumeOf } from "./context.ts";
import { findRootDisk } from "./expand.ts";
import { NO_MAP } from "./first_volatile.ts";
import { isRunning } from "./machine.ts";
import { resolveSource } from "./plan_creation.ts";
import type { Config, InstanceRecord } from "./record.ts";
import type { Asked } from "./service.ts";
import { snapshotNames } from "./snapshot_event.ts";

/** "make": the new root is being made; "swap": it is whole and takes the place of the old one. */
export const REBUILD = "volatile.rebuild";

export interface RebuildPlan {
  readonly source: { readonly kind: "empty" } | {
    readonly kind: "image";
    readonly fingerprint: string;
  };
  /** What the image brings: image.*, volatile.base_image. */
  readonly config: Config;
}

/** @throws {Fault} bad_request if it runs or has snapshots, not_found if there is no such image. */
export async function planRebuild(
  ctx: InstanceContext,
  instance: InstanceRecord,
  source: InstanceSource,
): Promise<RebuildPlan> {
  await assertRebuildable(ctx, instance);
  const base = await resolveSource(ctx, instance.project, source);
  if (base.source.kind !== "image" && base.source.kind !== "empty") {
    throw new Fault("bad_request", `cannot rebuild from a source of type "${source.type}"`, {
      hint: "There are image and none.",
    });
  }
  return { source: base.source, config: base.config };
}

async function assertRebuildable(ctx: InstanceContext, instance: InstanceRecord): Promise<void> {
  if (isRunning(ctx.runtime.state(instance.id))) {
    throw new Fault("bad_request", "Instance must be stopped to be rebuilt", {
      hint: `lxc stop ${instance.name}, or lxc rebuild --force`,
    });
  }
  if ((await snapshotNames(ctx, instance)).length > 0) {
    throw new Fault("bad_request", "Cannot rebuild an instance that has snapshots", {
      hint: `Delete them first: lxc delete ${instance.name}/<snapshot>`,
    });
  }
}

/** All or nothing. @throws {Fault} not_found, bad_request if it runs or has snapshots */
export async function rebuildInstance(
  ctx: InstanceContext,
  instance: InstanceRecord,
  plan: RebuildPlan,
  asked: Asked,
): Promise<void> {
  {
    using _held = await lockInstance(ctx, instance, asked.signal);
    const record = await ctx.db.read((tx) => getInstanceById(tx, instance.id));
    await assertRebuildable(ctx, record);
    await makeBeside(ctx, record, plan, asked.signal);
    await swap(ctx, record);
  }
  announce(ctx, "rebuilt", instance, asked);
  if (plan.source.kind === "image") {
    await ctx.images.touch(instance.project, plan.source.fingerprint);
  }
  await saveBackupYaml(ctx, instance.id);
}

const besideOf = (record: InstanceRecord) => ({
  ...volumeOf(record),
  name: `rebuild-of-${record.id}`,
});

async function makeBeside(
  ctx: InstanceContext,
  record: InstanceRecord,
  plan: RebuildPlan,
  signal: AbortSignal | undefined,
): Promise<void> {
  const made = besideOf(record);
  await using undo = new Undo((step, error) => ctx.onError(`undo of rebuild: ${step}`, error));
  await note(ctx, record, "make");
  undo.add("note of the rebuild", () => note(ctx, record, undefined));
  undo.add("delete the new root", () => ctx.storage.instances.delete(made));
  const size = findRootDisk(record.expandedDevices)?.config["size"] ?? "";
  await ctx.storage.instances.create(made, plan.source, {
    ...(signal !== undefined && { signal }),
    ...(size !== "" && { sizeBytes: parseBytes(size) }),
  });
  await Deno.chmod(ctx.storage.instances.directory(made), 0o100);
  await ctx.db.write(async (tx) => {
    await keepVolumeConfig(tx, record);
    await patchInstanceConfig(tx, record.id, {
      ...ofOldImage(record),
      ...plan.config,
      ...NO_MAP,
      "volatile.idmap.current": undefined,
      "volatile.idmap.next": undefined,
      "volatile.apply_template": plan.source.kind === "image" ? "create" : undefined,
      [INSTANCE_ID]: crypto.randomUUID(),
      [REBUILD]: "swap",
    });
  });
  undo.keep();
}

/** What it had of its image goes. */
function ofOldImage({ config }: InstanceRecord): Record<string, undefined> {
  const keys = Object.keys(config).filter((key) => key.startsWith("image."));
  return Object.fromEntries([...keys, "volatile.base_image"].map((key) => [key, undefined]));
}

async function keepVolumeConfig(tx: Tx, record: InstanceRecord): Promise<void> {
  const from = await volumeId(tx, { ...volumeOf(record), type: "container" });
  const to = await volumeId(tx, { ...besideOf(record), type: "container" });
  await writeConfig(tx, "storage_volumes", to, await readConfig(tx, "storage_volumes", from));
}

/** From here on there is only one way: what is cut off is done by the next daemon. */
async function swap(ctx: InstanceContext, record: InstanceRecord): Promise<void> {
  const made = besideOf(record);
  const { instances } = ctx.storage;
  // Its row gets the name last.
  if (await ctx.db.read((tx) => hasVolume(tx, made))) {
    // Where its tree has the name already, there is no old one.
    if (await exists(instances.directory(made))) await instances.delete(volumeOf(record));
    await instances.rename(made, record.name);
  }
  await note(ctx, record, undefined);
}

async function hasVolume(tx: Tx, volume: InstanceVolume): Promise<boolean> {
  try {
    await volumeId(tx, { ...volume, type: "container" });
    return true;
  } catch (error) {
    if (isFaultOf(error, "not_found")) return false;
    throw error;
  }
}

/** Finish or take back a rebuild that a crash cut off. */
export async function recoverRebuild(ctx: InstanceContext, record: InstanceRecord): Promise<void> {
  if (record.config[REBUILD] === "swap") return await swap(ctx, record);
  await ctx.storage.instances.delete(besideOf(record));
  await note(ctx, record, undefined);
}

async function note(
  ctx: InstanceContext,
  { id }: InstanceRecord,
  step: "make" | "swap" | undefined,
): Promise<void> {
  await ctx.db.write((tx) => patchInstanceConfig(tx, id, { [REBUILD]: step }));
}
