/** Keys of `none` devices: they only mask a device of a profile. */
import type { DeviceKey } from "./device_disk.ts";

export const NONE_KEYS = {} as const satisfies Record<string, DeviceKey>;
