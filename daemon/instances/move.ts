/** Move an instance to another pool or project of this server: copied whole, then the old one goes. */
import { Fault } from "#base/errors.ts";
import {
  findInstance,
  findInstanceById,
  patchInstanceConfig,
  profileLayers,
} from "#daemon/db/instances.ts";
import { validateDevices } from "#daemon/devices/registry.ts";
import { saveBackupYaml } from "./backup_yaml.ts";
import type { InstanceContext } from "./context.ts";
import { deleteInstance, removeInstance } from "./delete.ts";
import { expandConfig, expandDevices, withRootOn } from "./expand.ts";
import { isRunning } from "./machine.ts";
import { createInstance } from "./make.ts";
import type { CreationPlan } from "./plan_creation.ts";
import { checkInstanceName } from "./name.ts";
import type { InstanceRecord } from "./record.ts";
import { renameTo } from "./rename.ts";
import type { Asked } from "./service.ts";

export interface MoveWish {
  /** "": the same. */
  readonly name: string;
  readonly pool: string;
  readonly project: string;
  /** Snapshots are left behind. */
  readonly instanceOnly: boolean;
}

/** What has to be made. @throws {Fault} conflict, bad_request, not_found */
export async function planMove(
  ctx: InstanceContext,
  instance: InstanceRecord,
  wish: MoveWish,
): Promise<CreationPlan> {
  const name = wish.name || instance.name;
  const project = wish.project || instance.project;
  checkInstanceName(name);
  if (isRunning(ctx.runtime.state(instance.id))) {
    throw new Fault("bad_request", "Instance must be stopped to move between pools or projects", {
      hint: `lxc stop ${instance.name}`,
    });
  }
  const { taken, profiles } = await ctx.db.read(async (tx) => ({
    taken: await findInstance(tx, project, name),
    profiles: await profileLayers(tx, project, instance.profiles.map((layer) => layer.name)),
  }));
  if (taken !== undefined && taken.id !== instance.id) {
    throw new Fault("conflict", `Instance "${name}" already exists`);
  }
  if (wish.pool !== "") await ctx.storage.requirePool(wish.pool);
  const expanded = expandDevices(profiles, instance.devices);
  const devices = wish.pool === ""
    ? instance.devices
    : withRootOn(instance.devices, expanded, wish.pool);
  const expandedDevices = expandDevices(profiles, devices);
  await validateDevices(ctx.types, expandedDevices, {
    project,
    instance: name,
    services: ctx.devices,
    expanded: expandedDevices,
  });
  return {
    project,
    name,
    description: instance.description,
    architecture: instance.architecture,
    isEphemeral: instance.isEphemeral,
    config: instance.config,
    devices,
    profiles,
    expandedConfig: expandConfig(profiles, instance.config),
    expandedDevices,
    source: {
      kind: "copy",
      instance,
      snapshot: undefined,
      withSnapshots: !wish.instanceOnly,
      isMove: true,
    },
    start: false,
  };
}

/** All or nothing; the plan says that it is stopped. @throws {Fault} as createInstance, deleteInstance */
export async function moveInstance(
  ctx: InstanceContext,
  instance: InstanceRecord,
  plan: CreationPlan,
  asked: Asked,
): Promise<void> {
  const isInPlace = plan.name === instance.name && plan.project === instance.project;
  const name = isInPlace ? `move-of-${instance.id}` : plan.name;
  const config = { ...plan.config, [MOVE_OF]: `${instance.id}/${plan.name}` };
  const made = await createInstance(ctx, { ...plan, name, config }, asked);
  try {
    await deleteInstance(ctx, instance, { ...asked, isMoved: true });
  } catch (error) {
    await deleteInstance(ctx, made, { ...asked, isMoved: true });
    throw error;
  }
  await finish(ctx, made, plan.name, asked);
}

/** Noted of the one that is made, until it is alone and has its name. */
export const MOVE_OF = "volatile.move_of";

async function finish(
  ctx: InstanceContext,
  made: InstanceRecord,
  name: string,
  asked: Asked,
): Promise<void> {
  if (made.name !== name) await renameTo(ctx, made, name, asked);
  await ctx.db.write((tx) => patchInstanceConfig(tx, made.id, { [MOVE_OF]: undefined }));
  await saveBackupYaml(ctx, made.id);
}

/** Start of the daemon: without the old one the move is finished, beside it (the same, by its UUID) undone. */
export async function recoverMove(ctx: InstanceContext, made: InstanceRecord): Promise<void> {
  const [id = "", name = ""] = (made.config[MOVE_OF] ?? "").split("/");
  const old = await ctx.db.read((tx) => findInstanceById(tx, Number(id)));
  if (old !== undefined && old.config[UUID] === made.config[UUID]) {
    return await removeInstance(ctx, made, {});
  }
  await finish(ctx, made, name, {});
}

const UUID = "volatile.uuid";
