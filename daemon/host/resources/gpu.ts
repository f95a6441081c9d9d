/** Graphics cards: what the kernel's DRM drives, and what no driver does. */
import { addressOf, cardFields, functionCounts, pciDevicesOf, withFunctions } from "./device.ts";
import { type HostFiles, unlessEmpty } from "./host_files.ts";
import type { IdNames } from "./id_names.ts";
import { type NvidiaCards, readNvidia } from "./nvidia.ts";

const DRM = "/sys/class/drm";
const DISPLAY = "0x03";

type Card = Awaited<ReturnType<typeof readCard>>;

export async function readGpus(host: HostFiles, names: IdNames) {
  const cards: Card[] = [];
  const functions: { of: string; card: Card }[] = [];
  const seen = new Set<string>();
  const nvidia = await readNvidia(host);
  const add = async (at: string, address: { pci?: string; usb?: string }) => {
    if (address.pci !== undefined) seen.add(address.pci);
    const card = await readCard(host, { at, address, names, nvidia });
    const owner = await host.linkName(`${at}/physfn`);
    if (owner === "") cards.push(card);
    else functions.push({ of: owner, card });
  };
  for (const name of await host.names(DRM)) {
    if (!/^card\d+$/.test(name)) continue; // Not its connectors: card0-HDMI-A-1.
    const at = `${DRM}/${name}/device`;
    const address = await addressOf(host, at);
    if (address.pci === undefined || !seen.has(address.pci)) await add(at, address);
  }
  for (const pci of await pciDevicesOf(host, DISPLAY)) {
    if (!seen.has(pci)) await add(`/sys/bus/pci/devices/${pci}`, { pci });
  }
  return withFunctions(cards, functions);
}

interface CardOptions {
  readonly at: string;
  readonly address: { readonly pci?: string; readonly usb?: string };
  readonly names: IdNames;
  readonly nvidia: NvidiaCards;
}

async function readCard(host: HostFiles, { at, address, names, nvidia }: CardOptions) {
  const drm = await readDrm(host, `${at}/drm`);
  const mdev = await readMdev(host, `${at}/mdev_supported_types`);
  const sriov = await functionCounts(host, at);
  return {
    ...await cardFields(host, at, names),
    ...unlessEmpty("pci_address", address.pci),
    ...unlessEmpty("usb_address", address.usb),
    ...unlessEmpty("drm", drm),
    ...unlessEmpty("nvidia", nvidia.get(address.pci ?? "")),
    ...unlessEmpty("sriov", sriov),
    ...unlessEmpty("mdev", mdev),
  };
}

/** Its nodes below /dev/dri. */
const NODES = [["card", /^card\d+$/], ["control", /^controlD/], ["render", /^renderD/]] as const;

async function readDrm(host: HostFiles, at: string) {
  const nodes = await host.names(at);
  const card = nodes.find((name) => /^card\d+$/.test(name));
  if (card === undefined) return undefined;
  const fields: Record<string, string> = {};
  for (const [kind, pattern] of NODES) {
    const name = nodes.find((one) => pattern.test(one));
    if (name === undefined) continue;
    fields[`${kind}_name`] = name;
    fields[`${kind}_device`] = await host.text(`${at}/${name}/dev`);
  }
  return { id: Number(card.slice("card".length)), ...fields };
}

/** Kinds of mediated devices. @see Linux: Documentation/driver-api/vfio-mediated-device.rst */
async function readMdev(host: HostFiles, at: string) {
  const kinds = await host.names(at);
  if (kinds.length === 0) return undefined;
  const found: Record<string, unknown> = {};
  for (const kind of kinds) {
    found[kind] = {
      api: await host.text(`${at}/${kind}/device_api`),
      available: await host.number(`${at}/${kind}/available_instances`),
      ...unlessEmpty("name", await host.text(`${at}/${kind}/name`)),
      ...unlessEmpty("description", await host.text(`${at}/${kind}/description`)),
      devices: await host.names(`${at}/${kind}/devices`),
    };
  }
  return found;
}
