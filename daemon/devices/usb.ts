/** `usb`: every USB device of a vendor or product, whenever it is plugged in. */
import { USB_KEYS } from "#api/config/device_hotplug.ts";
import { isTrue } from "#base/units.ts";
import { checkDeviceKeys } from "./check_keys.ts";
import type { DeviceConfig } from "./device.ts";
import type { HostNode } from "./node.ts";
import { nodeDevice } from "./node_device.ts";
import { listNames, nodeOfUevent, readSysfs } from "./sysfs.ts";

export const usb = nodeDevice({
  type: "usb",
  validate: (name, config) => checkDeviceKeys(name, config, USB_KEYS),
  find: ({ config }) => findUsb(config, "/sys"),
  isRequired: (config) => isTrue(config["required"]),
  missing: ({ config }) =>
    `no USB device with vendor "${config["vendorid"] ?? "any"}" and product "${
      config["productid"] ?? "any"
    }"`,
  watched: () => "uevents",
});

/** USB devices (not their interfaces) that fit. */
function findUsb(config: DeviceConfig, sysfs: string): HostNode[] {
  const root = `${sysfs}/bus/usb/devices`;
  const nodes: HostNode[] = [];
  for (const name of listNames(root)) {
    const vendor = readSysfs(`${root}/${name}/idVendor`);
    const product = readSysfs(`${root}/${name}/idProduct`);
    if (vendor === "" || !fits(config, vendor, product)) continue;
    const node = nodeOfUevent(readSysfs(`${root}/${name}/uevent`), "c");
    if (node !== undefined) nodes.push(node);
  }
  return nodes;
}

/** Do vendor and product fit the device's ids? Unset ones fit all. Pure. */
export function fits(config: DeviceConfig, vendor: string, product: string): boolean {
  const same = (wish = "", found: string) => wish === "" || wish.toLowerCase() === found;
  return same(config["vendorid"], vendor.toLowerCase()) &&
    same(config["productid"], product.toLowerCase());
}
