/** Which options of a device a change touches. */
import type { DeviceConfig } from "./device.ts";

/** Unset is the same as empty. Pure. */
export function changedKeys(before: DeviceConfig, after: DeviceConfig): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((key) => (before[key] ?? "") !== (after[key] ?? ""));
}
