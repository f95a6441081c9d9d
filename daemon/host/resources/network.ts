/** Network cards and their ports. @see Linux: Documentation/ABI/testing/sysfs-class-net */
import { readLinkDriver } from "#ffi/libc/ethtool.ts";
import { type CardPlace, readCards } from "./cards.ts";
import { cardFields, functionCounts } from "./device.ts";
import { type HostFiles, unlessEmpty } from "./host_files.ts";
import type { IdNames } from "./id_names.ts";
import { linkFields } from "./link_modes.ts";

const NET = "/sys/class/net";
/** Of <linux/if_arp.h>. */
const PROTOCOLS: Readonly<Record<string, string>> = { "1": "ethernet", "32": "infiniband" };

/** Cards with an interface, and those that no driver drives; no virtual interfaces. */
export async function readNetwork(host: HostFiles, names: IdNames) {
  const devices = (await host.names(NET)).map((name) => `${NET}/${name}/device`);
  const read = (place: CardPlace) => readCard(host, { ...place, names });
  return await readCards(host, { devices, pciClass: "0x02" }, read);
}

interface CardOptions extends CardPlace {
  readonly names: IdNames;
}

async function readCard(host: HostFiles, { at, address, names, isFunction }: CardOptions) {
  const ports = [];
  let firmware = "";
  for (const id of await host.names(`${at}/net`)) {
    // Drivers say of the card, not of its functions.
    const driver = isFunction ? undefined : readLinkDriver(id);
    firmware ||= driver?.firmware ?? "";
    const port = await readPort(host, at, id);
    ports.push({
      ...port,
      ...unlessEmpty("address", driver?.permanentAddress || port.address),
      ...linkFields(driver),
    });
  }
  return {
    ...await cardFields(host, at, names),
    ...unlessEmpty("firmware_version", firmware),
    ...unlessEmpty("pci_address", address.pci),
    ...unlessEmpty("usb_address", address.usb),
    ...unlessEmpty("ports", ports),
    ...unlessEmpty("sriov", await functionCounts(host, at)),
  };
}

async function readPort(host: HostFiles, device: string, id: string) {
  const at = `${device}/net/${id}`;
  const port = await host.number(`${at}/dev_port`);
  const protocol = PROTOCOLS[await host.text(`${at}/type`)] ?? "unknown";
  return {
    id,
    address: await host.text(`${at}/address`),
    port,
    protocol,
    ...unlessEmpty(
      "infiniband",
      protocol === "infiniband" ? await readInfiniband(host, device, port) : undefined,
    ),
  };
}

/** Nodes below /dev/infiniband: two for each port, numbered from 1, and one for all. */
async function readInfiniband(host: HostFiles, device: string, port: number) {
  const fields: Record<string, string> = {};
  const put = async (kind: string, at: string, name: string) => {
    fields[`${kind}_name`] = name;
    fields[`${kind}_device`] = await host.text(`${at}/${name}/dev`);
  };
  const mads = `${device}/infiniband_mad`;
  for (const name of await host.names(mads)) {
    if (await host.number(`${mads}/${name}/port`) !== port + 1) continue;
    if (name.startsWith("issm")) await put("issm", mads, name);
    if (name.startsWith("umad")) await put("mad", mads, name);
  }
  const verbs = `${device}/infiniband_verbs`;
  const [verb] = await host.names(verbs);
  if (verb !== undefined) await put("verb", verbs, verb);
  return fields;
}
