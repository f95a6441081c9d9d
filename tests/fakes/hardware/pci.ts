/** PCI devices of the made-up host. */
import { files, link, type Tree } from "./tree.ts";

const ROOT = "sys/devices/pci0000:00";

export interface PciOptions {
  readonly class: string;
  readonly vendor: string;
  readonly device: string;
  readonly driver?: string;
  /** Of a driver that says it. */
  readonly version?: string;
  readonly node?: number;
  readonly iommuGroup?: number;
}

export const pciPath = (address: string) => `${ROOT}/${address}`;

export function pci(address: string, options: PciOptions): Tree {
  const at = pciPath(address);
  const { driver, version, iommuGroup, node = 0 } = options;
  return {
    ...files(at, {
      class: options.class,
      vendor: options.vendor,
      device: options.device,
      numa_node: node,
      uevent: `PCI_SLOT_NAME=${address}`,
    }),
    ...link(`sys/bus/pci/devices/${address}`, at),
    ...link(`${at}/subsystem`, "sys/bus/pci"),
    ...(driver === undefined ? {} : driven(at, driver, version)),
    ...(iommuGroup === undefined ? {} : {
      ...link(`${at}/iommu_group`, `sys/kernel/iommu_groups/${iommuGroup}`),
      ...files(`sys/kernel/iommu_groups/${iommuGroup}`, { type: "DMA" }),
    }),
  };
}

/** A device's driver, of a bus. */
export function driven(at: string, driver: string, version?: string, bus = "pci"): Tree {
  return {
    ...link(`${at}/driver`, `sys/bus/${bus}/drivers/${driver}`),
    ...files(`sys/bus/${bus}/drivers/${driver}`, { uevent: "" }),
    ...(version === undefined ? {} : {
      ...link(`sys/bus/${bus}/drivers/${driver}/module`, `sys/module/${driver}`),
      ...files(`sys/module/${driver}`, { version }),
    }),
  };
}

/** A function of a card that has more. */
export function virtualFunction(number: number, card: string, address: string): Tree {
  return {
    ...link(`${pciPath(card)}/virtfn${number}`, pciPath(address)),
    ...link(`${pciPath(address)}/physfn`, pciPath(card)),
  };
}
