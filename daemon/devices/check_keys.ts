/** Check the options of a device against the key table of its type. Pure. */
import type { DeviceKey } from "#api/config/device_disk.ts";
import { Fault, messageOf } from "#base/errors.ts";
import { suggest } from "#base/suggest.ts";
import type { DeviceConfig } from "./device.ts";

/** A refusal in LXD's frame: it names the device and the reason. */
export function invalidDevice(name: string, why: string, hint?: string): Fault {
  return new Fault(
    "bad_request",
    `Device validation failed for "${name}": ${why}`,
    hint === undefined ? {} : { hint },
  );
}

/** @throws {Fault} bad_request naming the device, the key, the value and what is allowed. */
export function checkDeviceKeys(
  name: string,
  config: DeviceConfig,
  table: Readonly<Record<string, DeviceKey>>,
): void {
  for (const [key, value] of Object.entries(config)) {
    if (key === "type" || key.startsWith("user.") || key.startsWith("volatile.")) continue;
    const row = Object.hasOwn(table, key) ? table[key] : undefined;
    if (row === undefined) {
      const near = suggest(key, Object.keys(table));
      throw invalidDevice(
        name,
        `Invalid device option "${key}"`,
        near === undefined ? undefined : `Did you mean "${near}"?`,
      );
    }
    if (value === "") continue;
    try {
      if (value.trim() === "" && row.check !== undefined) throw new Error("it is blank");
      row.check?.(value);
    } catch (error) {
      throw invalidDevice(name, `Invalid value for device option "${key}": ${messageOf(error)}`);
    }
  }
  for (const [key, row] of Object.entries(table)) {
    if (row.isRequired === true && (config[key] ?? "") === "") {
      throw invalidDevice(name, `Missing required device option "${key}"`);
    }
  }
}
