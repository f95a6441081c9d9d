/** `unix-hotplug`: all nodes of devices with a vendor or product id, whenever they come. */
import { UNIX_HOTPLUG_KEYS } from "#api/config/device_hotplug.ts";
import { isTrue } from "#base/units.ts";
import { checkDeviceKeys, invalidDevice } from "./check_keys.ts";
import type { DeviceConfig } from "./device.ts";
import type { HostNode } from "./node.ts";
import { nodeDevice } from "./node_device.ts";
import { listNames, nodeOfUevent, readSysfs } from "./sysfs.ts";
import { fits } from "./usb.ts";

export const unixHotplug = nodeDevice({
  type: "unix-hotplug",
  validate(name, config) {
    checkDeviceKeys(name, config, UNIX_HOTPLUG_KEYS);
    if ((config["vendorid"] ?? "") === "" && (config["productid"] ?? "") === "") {
      throw invalidDevice(name, "Unix hotplug devices require a vendorid or a productid");
    }
  },
  find: ({ config }) => findHotplugged(config, "/sys"),
  isRequired: (config) => isTrue(config["required"]),
  missing: ({ config }) =>
    `no device with vendor "${config["vendorid"] ?? "any"}" and product "${
      config["productid"] ?? "any"
    }"`,
  watched: () => "uevents",
});

/** Nodes below devices that fit: disks, serial lines, cameras ... but not the USB device itself. */
function findHotplugged(config: DeviceConfig, sysfs: string): HostNode[] {
  const nodes: HostNode[] = [];
  for (const [folder, letter] of [["char", "c"], ["block", "b"]] as const) {
    for (const numbers of listNames(`${sysfs}/dev/${folder}`)) {
      const place = realPath(`${sysfs}/dev/${folder}/${numbers}`);
      if (place === undefined || readSysfs(`${place}/idVendor`) !== "") continue;
      const owner = ownerOf(place);
      if (owner === undefined || !fits(config, owner.vendor, owner.product)) continue;
      const node = nodeOfUevent(readSysfs(`${place}/uevent`), letter);
      if (node !== undefined) nodes.push(node);
    }
  }
  return nodes;
}

/** "0005:046D:B342.0001": bus, vendor, product, number. @see Linux: drivers/hid/hid-core.c */
const HID_NAME = /\/[0-9A-F]{4}:([0-9A-F]{4}):([0-9A-F]{4})\.[0-9A-F]{4}$/;

/**
 * Ids of the nearest device above that has some: of a HID device, which may be on Bluetooth, a USB device, or
 * a PCI one.
 */
function ownerOf(place: string): { vendor: string; product: string } | undefined {
  for (let path = place; path.includes("/devices/"); path = path.slice(0, path.lastIndexOf("/"))) {
    const [, vendor, product] = HID_NAME.exec(path) ?? [];
    if (vendor !== undefined && product !== undefined) return { vendor, product };
    const usb = readSysfs(`${path}/idVendor`);
    if (usb !== "") return { vendor: usb, product: readSysfs(`${path}/idProduct`) };
    const pci = readSysfs(`${path}/vendor`);
    if (/^0x[0-9a-f]{4}$/i.test(pci)) {
      return { vendor: pci.slice(2), product: readSysfs(`${path}/device`).slice(2) };
    }
  }
  return undefined;
}

function realPath(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    return undefined; // Ignored: it went this moment.
  }
}
