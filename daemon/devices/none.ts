/** `none`: masks a device that a profile brings. */
import { NONE_KEYS } from "#api/config/device_none.ts";
import { checkDeviceKeys } from "./check_keys.ts";
import type { DeviceType } from "./device.ts";

export const none: DeviceType = {
  type: "none",
  validate(name, config) {
    checkDeviceKeys(name, config, NONE_KEYS);
    return Promise.resolve();
  },
  start: () => Promise.resolve({}),
  stop: () => Promise.resolve(),
  plug: () => Promise.resolve(),
  unplug: () => Promise.resolve(),
};
