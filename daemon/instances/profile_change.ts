/** A profile changed: check every instance that uses it, then apply the change to those that run. */
import { Fault, messageOf } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import { isTrue } from "#base/units.ts";
import { listInstances, patchInstanceConfig } from "#daemon/db/instances.ts";
import { listProjects } from "#daemon/db/projects.ts";
import { validateDevices } from "#daemon/devices/registry.ts";
import { checkProfileAllowed } from "#daemon/projects/check.ts";
import { type InstanceContext, lockInstance } from "./context.ts";
import { expandConfig, expandDevices, rootDisks } from "./expand.ts";
import { requireOneRootDisk } from "./root_disk.ts";
import { checkRawLxcLoads } from "./raw_lxc.ts";
import { checkHostRules } from "./host_rules.ts";
import type { InstanceRecord } from "./record.ts";
import type { ProfileConfig } from "./service.ts";
import { applyChange, checkRecord, settle } from "./update.ts";

/** Instances that use a profile: of its project, and of projects that share the default one's. */
async function users(
  ctx: InstanceContext,
  project: string,
  profile: string,
): Promise<InstanceRecord[]> {
  return await ctx.db.read(async (tx) => {
    const projects = await listProjects(tx);
    const sharing = new Set(
      projects.filter(({ name, config }) =>
        name === project || (project === "default" && !isTrue(config["features.profiles"]))
      ).map(({ name }) => name),
    );
    const all = await listInstances(tx);
    return all.filter((record) =>
      sharing.has(record.project) && record.profiles.some(({ name }) => name === profile)
    );
  });
}

/** The instance as it is or was with `content` in place of the profile. */
function withProfile(
  record: InstanceRecord,
  profile: string,
  content: ProfileConfig,
): InstanceRecord {
  const profiles = record.profiles.map((layer) =>
    layer.name === profile ? { ...layer, config: content.config, devices: content.devices } : layer
  );
  return {
    ...record,
    profiles,
    expandedConfig: expandConfig(profiles, record.config),
    expandedDevices: expandDevices(profiles, record.devices),
  };
}

/** @throws {Fault} bad_request naming each instance that the profile would break. */
export async function checkProfileChange(
  ctx: InstanceContext,
  project: string,
  profile: string,
  next: ProfileConfig,
): Promise<void> {
  await validateDevices(ctx.types, next.devices, {
    project,
    instance: undefined,
    services: ctx.devices,
    expanded: next.devices,
  });
  if (rootDisks(next.devices).length > 1) requireOneRootDisk(next.devices);
  checkHostRules(ctx.facts, next.config);
  await checkRawLxcLoads(next.config, {});
  const failures: string[] = [];
  const records = await users(ctx, project, profile);
  await checkProjects(ctx, { project, profile, next, records });
  for (const record of records) {
    try {
      await checkRecord(ctx, record, withProfile(record, profile, next));
    } catch (error) {
      failures.push(` - Project: ${record.project}, Instance: ${record.name}: ${messageOf(error)}`);
    }
  }
  refuse("The profile can't be changed so, because of these instances:", failures);
}

/** Limits and restrictions of each project that the profile reaches. @throws {Fault} bad_request */
async function checkProjects(
  ctx: InstanceContext,
  change: {
    readonly project: string;
    readonly profile: string;
    readonly next: ProfileConfig;
    readonly records: readonly InstanceRecord[];
  },
): Promise<void> {
  const { project, profile, next } = change;
  const groups = Map.groupBy(change.records, (record) => record.project);
  for (const name of new Set([project, ...groups.keys()])) {
    const instances = (groups.get(name) ?? []).map((record) => {
      const changed = withProfile(record, profile, next);
      return {
        name: record.name,
        config: changed.expandedConfig,
        devices: changed.expandedDevices,
      };
    });
    const own = name === project ? { ...next, name: profile } : undefined;
    await ctx.db.read((tx) => checkProfileAllowed(tx, name, { profile: own, instances }));
  }
}

/** The database has the new profile: bring running instances up to it. */
export async function applyProfileChange(
  ctx: InstanceContext,
  project: string,
  profile: string,
  before: ProfileConfig,
): Promise<void> {
  const failures: string[] = [];
  for (const record of await users(ctx, project, profile)) {
    try {
      using _held = await lockInstance(ctx, record);
      await using undo = new Undo((step, error) => ctx.onError(`undo of profile: ${step}`, error));
      const old = withProfile(record, profile, before);
      const volatile = await applyChange(ctx, old, record, undo);
      if (!volatile.isEmpty) {
        await ctx.db.write((tx) => patchInstanceConfig(tx, record.id, volatile.changes));
      }
      undo.keep();
      await settle(ctx, old, record);
      // As LXD: the profile is saved and the instance stays on its own disk, but that is told.
      requireOneRootDisk(record.expandedDevices);
    } catch (error) {
      failures.push(` - Project: ${record.project}, Instance: ${record.name}: ${messageOf(error)}`);
    }
  }
  refuse("The following instances failed to update (profile change still saved):", failures);
}

function refuse(title: string, failures: readonly string[]): void {
  if (failures.length === 0) return;
  throw new Fault("bad_request", [title, ...failures].join("\n"));
}
