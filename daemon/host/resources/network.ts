/** Network cards and their ports. @see Linux: Documentation/ABI/testing/sysfs-class-net */
import { readLinkDriver } from "#ffi/libc/ethtool.ts";
import { addressOf, cardFields, functionCounts, pciDevicesOf, withFunctions } from "./device.ts";
import { type HostFiles, unlessEmpty } from "./host_files.ts";
import type { IdNames } from "./id_names.ts";
import { linkFields } from "./link_modes.ts";

const NET = "/sys/class/net";
const NETWORK = "0x02";
/** Of <linux/if_arp.h>. */
const PROTOCOLS: Readonly<Record<string, string>> = { "1": "ethernet", "32": "infiniband" };

type Card = Awaited<ReturnType<typeof readCard>>;

export async function readNetwork(host: HostFiles, names: IdNames) {
  const cards: Card[] = [];
  const functions: { of: string; card: Card }[] = [];
  const seen = new Set<string>();
  const add = async (at: string, address: { pci?: string; usb?: string }) => {
    const owner = await host.linkName(`${at}/physfn`);
    const isFunction = owner !== "";
    const card = await readCard(host, { at, address, names, isFunction });
    if (isFunction) functions.push({ of: owner, card });
    else cards.push(card);
  };
  for (const name of await host.names(NET)) {
    const at = `${NET}/${name}/device`;
    const device = await host.real(at);
    if (device === undefined) continue; // No hardware: a bridge, a tunnel.
    const address = await addressOf(host, at);
    const key = address.pci ?? device;
    if (seen.has(key)) continue; // Another port of the same card.
    seen.add(key);
    await add(at, address);
  }
  for (const pci of await pciDevicesOf(host, NETWORK)) {
    if (!seen.has(pci)) await add(`/sys/bus/pci/devices/${pci}`, { pci });
  }
  return withFunctions(cards, functions);
}

interface CardOptions {
  readonly at: string;
  readonly address: { readonly pci?: string; readonly usb?: string };
  readonly names: IdNames;
  /** Drivers say of the card, not of its functions. */
  readonly isFunction: boolean;
}

async function readCard(host: HostFiles, { at, address, names, isFunction }: CardOptions) {
  const ports = [];
  let firmware = "";
  for (const id of await host.names(`${at}/net`)) {
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
