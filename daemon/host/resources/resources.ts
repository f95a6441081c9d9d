/** The hardware of the host, as GET /1.0/resources shows it. */
import { readCpu } from "./cpu.ts";
import { readGpus } from "./gpu.ts";
import { HostFiles } from "./host_files.ts";
import { pciNames, usbNames } from "./id_names.ts";
import { readMemory } from "./memory.ts";
import { readNetwork } from "./network.ts";
import { readPci } from "./pci.ts";
import { readStorage } from "./storage.ts";
import { readSystem } from "./system.ts";
import { readUsb } from "./usb.ts";

/** @param root a directory that stands for "/", with made-up hardware. */
export async function readResources(root = "") {
  const host = new HostFiles(root);
  const [pci, usb] = await Promise.all([pciNames(host), usbNames(host)]);
  const [cpu, memory, gpu, network, storage, usbDevices, pciDevices, system] = await Promise.all([
    readCpu(host),
    readMemory(host),
    readGpus(host, pci),
    readNetwork(host, pci),
    readStorage(host),
    readUsb(host, usb),
    readPci(host, pci),
    readSystem(host),
  ]);
  return { cpu, memory, gpu, network, storage, usb: usbDevices, pci: pciDevices, system };
}
