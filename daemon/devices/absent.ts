/**
 * `tpm`, `infiniband` and `pci`: their options are checked, so that a profile shared with other servers can
 * hold them, and the start says why this host can't have them.
 */
import { INFINIBAND_KEYS, PCI_KEYS, TPM_KEYS } from "#api/config/device_hotplug.ts";
import { Fault } from "#base/errors.ts";
import { checkDeviceKeys, invalidDevice } from "./check_keys.ts";
import type { Device, DeviceType, ValidateContext } from "./device.ts";
import { isThere } from "./node.ts";
import { listNames } from "./sysfs.ts";

export const tpm: DeviceType = absent(
  "tpm",
  TPM_KEYS,
  () =>
    isThere("/dev/vtpmx")
      ? "emulated TPMs are not supported by this server"
      : "emulated TPMs need /dev/vtpmx (kernel module tpm_vtpm_proxy), which this host does not have",
);

export const infiniband: DeviceType = absent(
  "infiniband",
  INFINIBAND_KEYS,
  ({ config }) =>
    listNames("/sys/class/infiniband").length > 0
      ? "InfiniBand cards are not supported by this server"
      : `parent device "${config["parent"]}" is no InfiniBand card: this host has none`,
);

export const pci: DeviceType = absent(
  "pci",
  PCI_KEYS,
  () => "PCI devices are for virtual machines",
);

function absent(
  type: string,
  keys: Parameters<typeof checkDeviceKeys>[2],
  why: (device: Pick<Device, "config">) => string,
): DeviceType {
  const refuse = (device: Device) => {
    throw new Fault("bad_request", `Failed to start device "${device.name}": ${why(device)}`, {
      hint: "Remove the device.",
    });
  };
  return {
    type,
    validate(name, config, context: ValidateContext) {
      checkDeviceKeys(name, config, keys);
      if (context.instance !== undefined) {
        throw invalidDevice(name, why({ config }), "Remove the device.");
      }
      return Promise.resolve();
    },
    // deno-lint-ignore require-await -- refuses by rejecting
    start: async (device) => refuse(device),
    stop: () => Promise.resolve(),
  };
}
