/** Devices of an instance become others, into a running one too; each step with its undo. */
import { Undo } from "#base/undo.ts";
import { patchInstanceConfig } from "#daemon/db/instances.ts";
import type { Device, DeviceConfig, DeviceType } from "#daemon/devices/device.ts";
import { requireType, startOrder } from "#daemon/devices/registry.ts";
import { parseIdmapJson } from "#daemon/idmap/format.ts";
import type { InstanceContext } from "./context.ts";
import { deviceHost, deviceOf, VolatileChanges } from "./device_host.ts";
import type { Config, Devices, InstanceRecord } from "./record.ts";

interface DeviceChange {
  readonly before: InstanceRecord;
  readonly next: InstanceRecord;
  readonly volatile: VolatileChanges;
  readonly undo: Undo;
}

/** From the devices of `before` to those of `next`. Registers the undo of each step. */
export async function changeDevices(ctx: InstanceContext, change: DeviceChange): Promise<void> {
  const { before, next } = change;
  const diff = diffDevices(before.expandedDevices, next.expandedDevices);
  for (const [name, config] of startOrder(diff.removed).reverse()) {
    await removeDevice(ctx, change, name, config);
  }
  for (const [name, config] of startOrder(diff.changed)) {
    const old = before.expandedDevices[name] ?? {};
    if (await updateInPlace(ctx, change, name, { old, config })) continue;
    await removeDevice(ctx, change, name, old);
    await addDevice(ctx, change, name, config);
  }
  for (const [name, config] of startOrder(diff.added)) {
    await addDevice(ctx, change, name, config);
  }
  for (const [name, config] of startOrder(leaning(ctx, before, next))) {
    await removeDevice(ctx, change, name, config);
    await addDevice(ctx, change, name, config);
  }
}

/** Devices that stayed as they are, but use what other devices say. */
function leaning(ctx: InstanceContext, before: InstanceRecord, next: InstanceRecord): Devices {
  const [old, now] = [before.expandedDevices, next.expandedDevices];
  return Object.fromEntries(
    Object.entries(now).filter(([name, config]) => {
      const same = old[name] !== undefined && isSame(old[name], config);
      return same && requireType(ctx.types, name, config).leansOn?.(config, old, now) === true;
    }),
  );
}

/** Pure. */
export function diffDevices(
  before: Devices,
  after: Devices,
): Record<"added" | "changed" | "removed", Record<string, Config>> {
  const result = { added: {}, changed: {}, removed: {} } as Record<
    "added" | "changed" | "removed",
    Record<string, Config>
  >;
  for (const [name, config] of Object.entries(after)) {
    const old = before[name];
    if (old === undefined) result.added[name] = config;
    else if (old["type"] !== config["type"]) {
      result.removed[name] = old;
      result.added[name] = config;
    } else if (!isSame(old, config)) result.changed[name] = config;
  }
  for (const [name, config] of Object.entries(before)) {
    if (after[name] === undefined) result.removed[name] = config;
  }
  return result;
}

function isSame(a: Config, b: Config): boolean {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => (a[key] ?? "") === (b[key] ?? ""));
}

/** A device of one of the records. */
function deviceAs(
  ctx: InstanceContext,
  record: InstanceRecord,
  volatile: VolatileChanges,
  [name, config]: readonly [string, DeviceConfig],
): Device {
  const idmap = parseIdmapJson(record.config["volatile.idmap.current"]) ?? null;
  return deviceOf(ctx, deviceHost(ctx, record, { volatile, idmap }), name, config);
}

async function addDevice(
  ctx: InstanceContext,
  change: DeviceChange,
  name: string,
  config: DeviceConfig,
): Promise<void> {
  const type = requireType(ctx.types, name, config);
  const device = deviceAs(ctx, change.next, change.volatile, [name, config]);
  change.undo.add(`remove device "${name}"`, () => type.removed?.(device));
  await type.added?.(device);
  const { pid } = device.host;
  if (pid === undefined || type.plug === undefined) return;
  await type.plug(device, pid, change.undo);
}

async function removeDevice(
  ctx: InstanceContext,
  change: DeviceChange,
  name: string,
  config: DeviceConfig,
): Promise<void> {
  const type = requireType(ctx.types, name, config);
  const device = deviceAs(ctx, change.before, change.volatile, [name, config]);
  const { pid } = device.host;
  if (pid !== undefined && type.unplug !== undefined) {
    // Before it: an unplugging that fails may have done half of it.
    change.undo.add(`plug device "${name}" again`, () => plugAgain(ctx, change, type, device));
    await type.unplug(device, pid);
  }
  change.undo.add(`bring device "${name}" back`, () => type.added?.(device));
  await type.removed?.(device);
  const prefix = `volatile.${name}.`;
  for (const key of Object.keys(change.next.config)) {
    if (key.startsWith(prefix) && change.next.expandedDevices[name] === undefined) {
      change.volatile.set({ [key]: undefined });
    }
  }
}

/** What was unplugged, whole or half, comes back, maybe with other names of its interfaces. */
async function plugAgain(
  ctx: InstanceContext,
  { before }: DeviceChange,
  type: DeviceType,
  { name, config }: Device,
): Promise<void> {
  const volatile = new VolatileChanges(before.config);
  const device = deviceAs(ctx, before, volatile, [name, config]);
  const { pid } = device.host;
  if (pid === undefined) return;
  await type.unplug?.(device, pid);
  await using undo = new Undo((step, error) => ctx.onError(`undo of update: ${step}`, error));
  await type.plug?.(device, pid, undo);
  await ctx.db.write((tx) => patchInstanceConfig(tx, before.id, volatile.changes));
  undo.keep();
}

async function updateInPlace(
  ctx: InstanceContext,
  change: DeviceChange,
  name: string,
  { old, config }: { readonly old: DeviceConfig; readonly config: DeviceConfig },
): Promise<boolean> {
  const type = requireType(ctx.types, name, config);
  const device = deviceAs(ctx, change.next, change.volatile, [name, config]);
  const back = deviceAs(ctx, change.before, new VolatileChanges(change.before.config), [name, old]);
  change.undo.add(`give device "${name}" its old options`, async () => {
    await update(type, back, config);
  });
  return await update(type, device, old);
}

/** @returns whether nothing else is to be done. */
async function update(type: DeviceType, device: Device, before: DeviceConfig): Promise<boolean> {
  const { pid } = device.host;
  if (pid !== undefined) return await type.update?.(device, before, pid) ?? false;
  if (type.changed === undefined) await type.added?.(device);
  else await type.changed(device, before);
  return true;
}
