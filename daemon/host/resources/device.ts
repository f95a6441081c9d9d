/** What devices have in common: where they are plugged in, who drives them, who made them. */
import { baseName, HostFiles, parentOf, unlessEmpty } from "./host_files.ts";
import type { IdNames } from "./id_names.ts";

/** Never negative: the kernel has -1 for a device at no node. */
export async function numaNode(host: HostFiles, at: string): Promise<number> {
  return Math.max(0, await host.number(`${at}/numa_node`));
}

export interface Driver {
  readonly driver: string;
  readonly driver_version: string;
}

/** Empty without a driver. The version is the module's, else the kernel's. */
export async function driverOf(host: HostFiles, at: string): Promise<Driver> {
  const driver = await host.linkName(`${at}/driver`);
  if (driver === "") return { driver, driver_version: "" };
  const version = await host.text(`${at}/driver/module/version`);
  return { driver, driver_version: version || Deno.osRelease() };
}

/** A card's own fields, as LXD has them of graphics and network cards: only those that are known. */
export async function cardFields(host: HostFiles, at: string, pciIds: IdNames) {
  const id = async (name: string) => (await host.text(`${at}/${name}`)).replace(/^0x/, "");
  const [vendorId, productId] = [await id("vendor"), await id("device")];
  const { driver, driver_version } = await driverOf(host, at);
  return {
    ...unlessEmpty("driver", driver),
    ...unlessEmpty("driver_version", driver_version),
    numa_node: await numaNode(host, at),
    ...unlessEmpty("vendor", pciIds.vendor(vendorId)),
    ...unlessEmpty("vendor_id", vendorId),
    ...unlessEmpty("product", pciIds.product(vendorId, productId)),
    ...unlessEmpty("product_id", productId),
  };
}

export interface Address {
  readonly pci?: string;
  readonly usb?: string;
}

/** Where a device is plugged in: "0000:04:00.0" of the PCI bus, or "1:4", bus and device, of USB. */
export async function addressOf(host: HostFiles, device: string): Promise<Address> {
  for (let at = await host.real(device) ?? ""; at.startsWith("/sys/devices/"); at = parentOf(at)) {
    const bus = await host.linkName(`${at}/subsystem`);
    if (bus === "pci") return { pci: baseName(at) };
    if (bus === "usb" && await host.has(`${at}/busnum`)) {
      return { usb: `${await host.number(`${at}/busnum`)}:${await host.number(`${at}/devnum`)}` };
    }
  }
  return {};
}

/** How many functions a card has, and may have; undefined of a card without. */
export async function functionCounts(host: HostFiles, at: string) {
  if (!await host.has(`${at}/sriov_numvfs`)) return undefined;
  return {
    current_vfs: await host.number(`${at}/sriov_numvfs`),
    maximum_vfs: await host.number(`${at}/sriov_totalvfs`),
  };
}
