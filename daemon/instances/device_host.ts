/** The narrow view of an instance that devices get, with volatile values collected for one write. */
import { type HostPath, hostPath } from "#base/brand.ts";
import type { Device, DeviceConfig, DeviceHost } from "#daemon/devices/device.ts";
import { getProject } from "#daemon/db/projects.ts";
import type { IdMap } from "#daemon/idmap/idmap.ts";
import { diskFolders } from "#daemon/projects/restricted_devices.ts";
import { Container } from "#ffi/liblxc/container.ts";
import { type InstanceContext, lockInstance, lxcName, lxcPath } from "./context.ts";
import { pidOf } from "./machine.ts";
import { ALLOWED_NODES } from "./plan.ts";
import type { InstanceRecord } from "./record.ts";

/** Volatile values that devices set; `changes` goes into the database in one transaction. */
export class VolatileChanges {
  readonly changes: Record<string, string | undefined> = {};
  constructor(readonly before: Readonly<Record<string, string>>) {}

  get(key: string): string | undefined {
    return Object.hasOwn(this.changes, key) ? this.changes[key] : this.before[key];
  }

  set(values: Readonly<Record<string, string | undefined>>): void {
    for (const [key, value] of Object.entries(values)) {
      if (this.get(key) !== value) this.changes[key] = value;
    }
  }

  get isEmpty(): boolean {
    return Object.keys(this.changes).length === 0;
  }
}

export interface HostOptions {
  readonly volatile: VolatileChanges;
  readonly idmap: IdMap | null;
}

/** Of one run, or one change: make a new one for the next, as the record may have changed. */
export function deviceHost(
  ctx: InstanceContext,
  instance: InstanceRecord,
  options: HostOptions,
): DeviceHost {
  const { volatile, idmap } = options;
  return {
    id: instance.id,
    project: instance.project,
    instance: instance.name,
    config: instance.expandedConfig,
    devices: instance.expandedDevices,
    idmap,
    pid: pidOf(ctx.runtime.state(instance.id)),
    volatile: (device, key) => volatile.get(`volatile.${device}.${key}`),
    setVolatile(values) {
      volatile.set(values);
      return Promise.resolve();
    },
    devicesPath: () => devicesPath(ctx, instance),
    diskFolders: async () => {
      const { config } = await ctx.db.read((tx) => getProject(tx, instance.project));
      return diskFolders(config);
    },
    logsPath: () => ctx.paths.instanceLogs(instance.project, instance.name),
    allowNode: (rule, isAllowed) => allowNode(ctx, instance, rule, isAllowed),
    async whileRunning(run) {
      using _held = await lockInstance(ctx, instance);
      const pid = pidOf(ctx.runtime.state(instance.id));
      if (pid !== undefined) await run(pid);
    },
  };
}

/** v1: a file of the cgroup. v2: liblxc's monitor holds the program that decides. */
async function allowNode(
  ctx: InstanceContext,
  instance: InstanceRecord,
  rule: string,
  isAllowed: boolean,
): Promise<void> {
  if (ctx.facts.isInUserNamespace) return;
  if (!isAllowed && ALLOWED_NODES.some((fixed) => fixed === rule)) return;
  const file = isAllowed ? "devices.allow" : "devices.deny";
  const v1 = ctx.runtime.cgroups(instance.id).get("devices");
  if (v1 !== undefined) return await Deno.writeTextFile(`${v1}/${file}`, rule, { create: false });
  const config = `${ctx.paths.instanceLogs(instance.project, instance.name)}/lxc.conf`;
  using container = new Container(lxcName(instance), lxcPath(ctx), hostPath(config));
  await container.setCgroupItem(file, rule);
}

function devicesPath(ctx: InstanceContext, instance: InstanceRecord): HostPath {
  const path = ctx.paths.at("devices", lxcName(instance));
  Deno.mkdirSync(path, { recursive: true, mode: 0o711 });
  return path;
}

/** A device as its type gets it. */
export function deviceOf(
  ctx: InstanceContext,
  host: DeviceHost,
  name: string,
  config: DeviceConfig,
): Device {
  return { name, config, host, services: ctx.devices };
}
