/** Change an instance: everything is checked first, then the live parts are applied with undo. */
import { checkInstanceConfig } from "#api/config/instance_config.ts";
import { VOLATILE_KEYS } from "#api/config/volatile_keys.ts";
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import { parseBytes } from "#base/units.ts";
import { getInstanceById, profileLayers, updateInstance } from "#daemon/db/instances.ts";
import { validateDevices } from "#daemon/devices/registry.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { checkInstanceAllowed } from "#daemon/projects/check.ts";
import { saveBackupYaml } from "./backup_yaml.ts";
import { INSTANCE_ID, isNewForCloudInit } from "./cloud_init.ts";
import { announce, type InstanceContext, lockInstance, volumeOf } from "./context.ts";
import { changeDevices, diffDevices } from "./change_devices.ts";
import { VolatileChanges } from "./device_host.ts";
import { applyDiskLimits } from "./disk_limits.ts";
import { expandConfig, expandDevices, findRootDisk } from "./expand.ts";
import { checkHostRules } from "./host_rules.ts";
import { afterLive, applyLive } from "./live.ts";
import { pidOf } from "./machine.ts";
import { requireOneRootDisk, requireRootDisk } from "./root_disk.ts";
import { checkRawLxcLoads } from "./raw_lxc.ts";
import type { Config, Devices, InstanceRecord, ProfileLayer } from "./record.ts";

export interface InstanceWish {
  readonly config: Config;
  readonly devices: Devices;
  readonly profiles: readonly string[];
  readonly description: string;
  readonly isEphemeral: boolean;
  readonly architecture: number;
}

/** What an instance would be with other local values or profiles. */
function withChange(
  record: InstanceRecord,
  change: { config: Config; devices: Devices; profiles: readonly ProfileLayer[] },
): InstanceRecord {
  return {
    ...record,
    ...change,
    expandedConfig: expandConfig(change.profiles, change.config),
    expandedDevices: expandDevices(change.profiles, change.devices),
  };
}

/** @throws {Fault} bad_request naming what does not fit; nothing has changed then. */
export async function changeInstance(
  ctx: InstanceContext,
  instance: { readonly id: number },
  wish: InstanceWish,
  options: { caller?: Caller },
): Promise<void> {
  using _held = await lockInstance(ctx, instance);
  const before = await ctx.db.read((tx) => getInstanceById(tx, instance.id));
  const layers = await ctx.db.read((tx) => profileLayers(tx, before.project, wish.profiles));
  const config = withFixedVolatile(before.config, withoutEmpty(wish.config));
  const next = {
    ...withChange(before, { config, devices: wish.devices, profiles: layers }),
    description: wish.description,
    isEphemeral: wish.isEphemeral,
    architecture: wish.architecture,
  };
  const diff = diffDevices(before.expandedDevices, next.expandedDevices);
  const mustBeUnique = new Set([...Object.keys(diff.added), ...Object.keys(diff.changed)]);
  await checkRecord(ctx, before, next, mustBeUnique);
  requireOneRootDisk(next.expandedDevices);
  const given = Object.entries(config).filter(([key, value]) => before.config[key] !== value);
  await ctx.db.read((tx) =>
    checkInstanceAllowed(tx, before.project, {
      name: next.name,
      config: next.expandedConfig,
      devices: next.expandedDevices,
      given: given.map(([key]) => key),
    })
  );
  await using undo = new Undo((step, error) => ctx.onError(`undo of update: ${step}`, error));
  const volatile = await applyChange(ctx, before, next, undo);
  const stored = { ...config, ...volatile.changes };
  await ctx.db.write((tx) =>
    updateInstance(tx, before.id, {
      description: next.description,
      architecture: next.architecture,
      isEphemeral: next.isEphemeral,
      config: withoutEmpty(stored),
      devices: next.devices,
      profiles: layers,
    })
  );
  undo.keep();
  await settle(ctx, before, next);
  announce(ctx, "updated", before, options);
}

/**
 * After the database: what concerns others too, and backup.yaml. The change is done: what fails here
 * is told to the log.
 */
export async function settle(
  ctx: InstanceContext,
  before: InstanceRecord,
  next: InstanceRecord,
): Promise<void> {
  try {
    if (pidOf(ctx.runtime.state(before.id)) !== undefined) {
      await afterLive(ctx, before.expandedConfig, next.expandedConfig);
      ctx.onChanged?.(before, next);
    }
    await saveBackupYaml(ctx, before.id);
  } catch (error) {
    ctx.onError(`after the update of instance "${before.name}"`, error);
  }
}

function withoutEmpty(config: Readonly<Record<string, string | undefined>>): Config {
  const result: Record<string, string> = {};
  for (const [key, value] of Object.entries(config)) {
    if (value !== undefined && value !== "") result[key] = value;
  }
  return result;
}

/**
 * Keys that only the daemon may change stay when the client leaves them out.
 *
 * @throws {Fault} bad_request when the client changes one.
 */
function withFixedVolatile(before: Config, next: Config): Config {
  if (isOfAnother(before, next)) return withOwnVolatile(before, next);
  const result: Record<string, string> = { ...next };
  for (const [key, row] of Object.entries(VOLATILE_KEYS)) {
    if (row.isFixed !== true) continue;
    const [old, wanted] = [before[key], next[key]];
    if (wanted === undefined) {
      if (old !== undefined) result[key] = old;
    } else if (wanted !== old && key.startsWith("volatile.idmap.")) {
      throw new Fault("bad_request", "Volatile idmap keys can't be changed by the user");
    }
  }
  return result;
}

/** LXD's client sends the whole configuration of the source to the target of a `copy --refresh`. */
function isOfAnother(before: Config, next: Config): boolean {
  const uuid = "volatile.uuid";
  if (next[uuid] === undefined || next[uuid] === before[uuid]) return false;
  return Object.keys({ ...before, ...next }).some((key) =>
    key !== uuid && key.startsWith("volatile.") && before[key] !== next[key]
  );
}

/** Its addresses, map and templates are its own: with those of the other only one could start. */
function withOwnVolatile(before: Config, next: Config): Config {
  const isVolatile = ([key]: readonly [string, string]) => key.startsWith("volatile.");
  return Object.fromEntries([
    ...Object.entries(next).filter((entry) => !isVolatile(entry)),
    ...Object.entries(before).filter(isVolatile),
  ]);
}

/** @throws {Fault} bad_request */
export async function checkRecord(
  ctx: InstanceContext,
  before: InstanceRecord,
  next: InstanceRecord,
  mustBeUnique: ReadonlySet<string> = new Set(),
): Promise<void> {
  checkInstanceConfig(next.config, "container");
  checkInstanceConfig(next.expandedConfig, "expanded");
  checkHostRules(ctx.facts, next.expandedConfig);
  await checkRawLxcLoads(next.expandedConfig, before.expandedConfig);
  requireRootDisk(next.expandedDevices);
  const pools = [before, next].map((one) => findRootDisk(one.expandedDevices)?.config["pool"]);
  if (pools[0] !== undefined && pools[0] !== pools[1]) {
    throw new Fault("bad_request", `Cannot update root disk device pool name to "${pools[1]}"`, {
      hint: "lxc move --storage moves an instance to another pool.",
    });
  }
  await validateDevices(ctx.types, next.expandedDevices, {
    project: next.project,
    instance: next.name,
    services: ctx.devices,
    expanded: next.expandedDevices,
    mustBeUnique,
  });
}

/** Limits and devices of a running instance, quota of its root. Registers the undo of each step. */
export async function applyChange(
  ctx: InstanceContext,
  before: InstanceRecord,
  next: InstanceRecord,
  undo: Undo,
): Promise<VolatileChanges> {
  const volatile = new VolatileChanges(next.config);
  await resizeRoot(ctx, before, next, undo);
  if (pidOf(ctx.runtime.state(before.id)) !== undefined) {
    undo.add(
      "old limits",
      () => applyLive(ctx, before.id, next.expandedConfig, before.expandedConfig),
    );
    await applyLive(ctx, before.id, before.expandedConfig, next.expandedConfig);
    undo.add("old rates of disks", () => applyDiskLimits(ctx, next, before));
    await applyDiskLimits(ctx, before, next);
  }
  await changeDevices(ctx, { before, next, volatile, undo });
  if (isNewForCloudInit(before, next)) volatile.set({ [INSTANCE_ID]: crypto.randomUUID() });
  return volatile;
}

async function resizeRoot(
  ctx: InstanceContext,
  before: InstanceRecord,
  next: InstanceRecord,
  undo: Undo,
): Promise<void> {
  const sizeOf = (record: InstanceRecord) =>
    findRootDisk(record.expandedDevices)?.config["size"] ?? "";
  const [old, wanted] = [sizeOf(before), sizeOf(next)];
  if (old === wanted) return;
  const resize = (size: string) =>
    ctx.storage.instances.resize(volumeOf(before), size === "" ? 0 : parseBytes(size));
  await resize(wanted);
  undo.add("old quota", () => resize(old));
}
