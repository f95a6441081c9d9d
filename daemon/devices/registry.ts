/** All device types: a literal list, so that what exists can be read in one place. */
import { Fault } from "#base/errors.ts";
import { suggest } from "#base/suggest.ts";
import type { DeviceConfig, DeviceType, ValidateContext } from "./device.ts";
import { infiniband, pci, tpm } from "./absent.ts";
import { disk } from "./disk.ts";
import { gpu } from "./gpu.ts";
import { none } from "./none.ts";
import { proxy } from "./proxy/proxy.ts";
import { unixBlock, unixChar } from "./unix.ts";
import { unixHotplug } from "./unix_hotplug.ts";
import { usb } from "./usb.ts";

export const DEVICE_TYPES: readonly DeviceType[] = [
  none,
  disk,
  unixChar,
  unixBlock,
  unixHotplug,
  usb,
  gpu,
  tpm,
  infiniband,
  proxy,
  pci,
];

/** Types by name; nic types come from networks/ and are passed in by the composition. */
export type DeviceTypes = ReadonlyMap<string, DeviceType>;

/** By their LXD name; tests give others. */
export function deviceTypes(types: readonly DeviceType[] = DEVICE_TYPES): DeviceTypes {
  return new Map(types.map((type) => [type.type, type]));
}

/** @throws {Fault} bad_request saying which types there are. */
export function requireType(types: DeviceTypes, name: string, config: DeviceConfig): DeviceType {
  const wanted = config["type"] ?? "";
  const found = types.get(wanted);
  if (found !== undefined) return found;
  const near = suggest(wanted, types.keys());
  const why = wanted === "" ? "it has no type" : `Unsupported device type "${wanted}"`;
  throw new Fault("bad_request", `Device validation failed for "${name}": ${why}`, {
    hint: near === undefined
      ? `There are ${[...types.keys()].join(", ")}.`
      : `Did you mean "${near}"?`,
  });
}

const MAX_NAME = 64;

/** Check all devices of an instance or profile. @throws {Fault} bad_request at the first bad one. */
export async function validateDevices(
  types: DeviceTypes,
  devices: Readonly<Record<string, DeviceConfig>>,
  context: Omit<ValidateContext, "devices"> & {
    readonly expanded: Readonly<Record<string, DeviceConfig>>;
  },
): Promise<void> {
  const { expanded, ...rest } = context;
  for (const [name, config] of Object.entries(devices)) {
    if (!/^[A-Za-z0-9_:/-][A-Za-z0-9._:/-]*$/.test(name) || name.length > MAX_NAME) {
      throw new Fault("bad_request", `Invalid device name "${name}"`, {
        hint: `Up to ${MAX_NAME} letters, digits and any of - . _ : /, and no dot first`,
      });
    }
    const type = requireType(types, name, config);
    await type.validate(name, config, { ...rest, devices: expanded });
  }
}

/** Order of a start: disks by path (parents first), then the others by name. Stop is the reverse. */
export function startOrder(
  devices: Readonly<Record<string, DeviceConfig>>,
): (readonly [string, DeviceConfig])[] {
  const rank = (config: DeviceConfig) => config["type"] === "disk" ? 0 : 1;
  return Object.entries(devices).sort(([nameA, a], [nameB, b]) =>
    rank(a) - rank(b) || (rank(a) === 0 ? compare(a["path"], b["path"]) : compare(nameA, nameB))
  );
}

function compare(a = "", b = ""): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
