/** Cards of the host, as those for graphics and for networks are found: each once, with its functions. */
import { type Address, addressOf } from "./device.ts";
import type { HostFiles } from "./host_files.ts";

export interface CardPlace {
  /** Its directory below /sys. */
  readonly at: string;
  readonly address: Address;
  /** It is a virtual function of another card. */
  readonly isFunction: boolean;
}

/**
 * @param devices Links to the devices of what the kernel drives; PCI devices without a driver follow.
 * @param pciClass First byte of their number: "0x02" network, "0x03" display.
 */
export async function readCards<One extends Card>(
  host: HostFiles,
  { devices, pciClass }: { readonly devices: readonly string[]; readonly pciClass: string },
  read: (place: CardPlace) => Promise<One>,
) {
  const cards: One[] = [];
  const functions: { of: string; card: One }[] = [];
  const seen = new Set<string>();
  const add = async (key: string, at: string, address: Address) => {
    if (seen.has(key)) return; // Another port of the same card.
    seen.add(key);
    const owner = await host.linkName(`${at}/physfn`);
    const card = await read({ at, address, isFunction: owner !== "" });
    if (owner === "") cards.push(card);
    else functions.push({ of: owner, card });
  };
  for (const at of devices) {
    const device = await host.real(at);
    if (device === undefined) continue; // No hardware: a bridge, a tunnel.
    const address = await addressOf(host, at);
    await add(address.pci ?? device, at, address);
  }
  for (const pci of await pciDevicesOf(host, pciClass)) {
    await add(pci, `/sys/bus/pci/devices/${pci}`, { pci });
  }
  return withFunctions(cards, functions);
}

async function pciDevicesOf(host: HostFiles, kind: string): Promise<string[]> {
  const found: string[] = [];
  for (const address of await host.names("/sys/bus/pci/devices")) {
    const text = await host.text(`/sys/bus/pci/devices/${address}/class`);
    if (text.startsWith(kind)) found.push(address);
  }
  return found;
}

interface Card {
  readonly pci_address?: string;
  readonly sriov?: { readonly current_vfs: number; readonly maximum_vfs: number };
}

/** Virtual functions stand below their card, the others side by side. Pure. */
function withFunctions<One extends Card>(
  cards: readonly One[],
  functions: readonly { readonly of: string; readonly card: One }[],
) {
  const below = (address: string | undefined) =>
    functions.filter(({ of }) => of === address).map(({ card }) => card);
  const owners = cards.map(({ sriov, ...card }) => {
    const vfs = below(card.pci_address);
    return { ...card, ...(sriov === undefined ? {} : { sriov: { ...sriov, vfs } }) };
  });
  return { cards: owners, total: cards.length + functions.length };
}
