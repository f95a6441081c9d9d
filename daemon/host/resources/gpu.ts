/** Graphics cards: what the kernel's DRM drives, and what no driver does. */
import { type CardPlace, readCards } from "./cards.ts";
import { cardFields, functionCounts } from "./device.ts";
import { type HostFiles, unlessEmpty } from "./host_files.ts";
import type { IdNames } from "./id_names.ts";
import { type NvidiaCards, readNvidia } from "./nvidia.ts";

const DRM = "/sys/class/drm";

/** Cards without a driver come last. */
export async function readGpus(host: HostFiles, names: IdNames) {
  const nvidia = await readNvidia(host);
  // Not their connectors: card0-HDMI-A-1.
  const ids = (await host.names(DRM)).filter((name) => /^card\d+$/.test(name));
  const devices = ids.map((name) => `${DRM}/${name}/device`);
  const read = (place: CardPlace) => readCard(host, { ...place, names, nvidia });
  return await readCards(host, { devices, pciClass: "0x03" }, read);
}

interface CardOptions extends CardPlace {
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
