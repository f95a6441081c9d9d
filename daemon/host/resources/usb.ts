/** USB devices and their interfaces. @see Linux: Documentation/ABI/stable/sysfs-bus-usb */
import { driverOf } from "./device.ts";
import type { HostFiles } from "./host_files.ts";
import type { IdNames } from "./id_names.ts";

const DEVICES = "/sys/bus/usb/devices";
const HUB = "09";

/** Without hubs; speeds in Mbit/s. */
export async function readUsb(host: HostFiles, names: IdNames) {
  const devices = [];
  for (const name of await host.names(DEVICES)) {
    const at = `${DEVICES}/${name}`;
    const isDevice = await host.has(`${at}/busnum`);
    if (!isDevice || await host.text(`${at}/bDeviceClass`) === HUB) continue;
    const [vendor, product] = [
      await host.text(`${at}/idVendor`),
      await host.text(`${at}/idProduct`),
    ];
    devices.push({
      bus_address: await host.number(`${at}/busnum`),
      device_address: await host.number(`${at}/devnum`),
      interfaces: await readInterfaces(host, at, names),
      vendor: names.vendor(vendor),
      vendor_id: vendor,
      product: await host.text(`${at}/product`) || names.product(vendor, product),
      product_id: product,
      speed: await host.number(`${at}/speed`),
    });
  }
  return { devices, total: devices.length };
}

/** Directories `1-4:1.0` below the device: configuration 1, interface 0. */
async function readInterfaces(host: HostFiles, device: string, names: IdNames) {
  const interfaces = [];
  for (const name of await host.names(device)) {
    const at = `${device}/${name}`;
    if (!await host.has(`${at}/bInterfaceClass`)) continue;
    const kind = await host.text(`${at}/bInterfaceClass`);
    const subclass = await host.text(`${at}/bInterfaceSubClass`);
    interfaces.push({
      class: names.className(kind),
      class_id: parseInt(kind, 16) || 0,
      ...await driverOf(host, at),
      number: parseInt(await host.text(`${at}/bInterfaceNumber`), 16) || 0,
      subclass: names.subclass(kind, subclass),
      subclass_id: parseInt(subclass, 16) || 0,
    });
  }
  return interfaces;
}
