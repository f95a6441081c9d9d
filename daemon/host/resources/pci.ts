/** PCI devices. @see Linux: Documentation/ABI/testing/sysfs-bus-pci */
import { driverOf, numaNode } from "./device.ts";
import type { HostFiles } from "./host_files.ts";
import type { IdNames } from "./id_names.ts";
import { parseVpd } from "./vpd.ts";

const DEVICES = "/sys/bus/pci/devices";

/** All of them, bridges too. */
export async function readPci(host: HostFiles, names: IdNames) {
  const devices = [];
  for (const address of await host.names(DEVICES)) {
    const at = `${DEVICES}/${address}`;
    const id = async (name: string) => (await host.text(`${at}/${name}`)).replace(/^0x/, "");
    const [vendor, product] = [await id("vendor"), await id("device")];
    devices.push({
      ...await driverOf(host, at),
      numa_node: await numaNode(host, at),
      pci_address: address,
      vendor: names.vendor(vendor),
      vendor_id: vendor,
      product: names.product(vendor, product),
      product_id: product,
      iommu_group: Number(await host.linkName(`${at}/iommu_group`)) || 0,
      vpd: parseVpd(await host.bytes(`${at}/vpd`)),
    });
  }
  return { devices, total: devices.length };
}
