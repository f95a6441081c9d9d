/** A nic as dnsmasq of its managed bridge knows it, and that no two have the same address or name. */
import { isTrue } from "#base/units.ts";
import type { ManagedNetwork, NicUse } from "#daemon/networks/service.ts";
import { invalidDevice } from "#daemon/devices/check_keys.ts";
import type { DeviceServices } from "#daemon/devices/device.ts";
import type { Nic, NicWish } from "./kind.ts";

export interface Addresses {
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
}

/** Addresses of its own: configured, or found where filtering must know them. */
export async function fixedAddresses(nic: Nic, hwaddr: string): Promise<Addresses> {
  const { config, network, device } = nic;
  const wanted = ([4, 6] as const).map((family) => {
    const given = config[`ipv${family}.address`] ?? "";
    const isFiltering = isTrue(config[`security.ipv${family}_filtering`]);
    return given !== "" || !isFiltering || network === undefined ? given || undefined : family;
  });
  const [ipv4, ipv6] = wanted;
  const missing = wanted.filter((one) => typeof one === "number");
  if (missing.length === 0 || network === undefined) {
    return { ipv4: asText(ipv4), ipv6: asText(ipv6) };
  }
  const { project, instance } = device.host;
  const owner = { project, instance, device: device.name, hwaddr };
  const found = await device.services.networks.allocate(network, owner, missing);
  return { ipv4: asText(ipv4) ?? found.ipv4, ipv6: asText(ipv6) ?? found.ipv6 };
}

const asText = (value: string | number | undefined) =>
  typeof value === "number" ? undefined : value;

/** Tell dnsmasq; of what another has already it is told nothing. */
export async function tellDnsmasq(
  nic: Nic,
  hwaddr: string,
  addresses: Addresses,
): Promise<void> {
  const { network, device } = nic;
  if (network?.type !== "bridge") return;
  const { networks } = device.services;
  const { project, instance } = device.host;
  const host = { project, instance, device: device.name, hwaddr, ...addresses };
  const isTaken = await findClash(nic, { ...device.host, services: device.services }, {
    name: device.name,
    hwaddr,
  }) !== undefined;
  if (isTaken) await networks.removeHost(network.name, host);
  else await networks.setHost(network.name, host);
}

interface Owner {
  readonly project: string;
  readonly instance: string | undefined;
  readonly services?: DeviceServices;
}

/** @throws {Fault} bad_request if another nic of the network has its name, MAC or IP address. */
export async function assertUnique(
  name: string,
  wish: NicWish & Partial<Pick<Nic, "device">>,
  owner: Owner,
  hwaddr: string,
): Promise<void> {
  const services = owner.services ?? wish.device?.services;
  const clash = await findClash(wish, { ...owner, services }, { name, hwaddr });
  if (clash !== undefined) throw invalidDevice(name, clash);
}

/** What of it another nic has, as a sentence. */
async function findClash(
  wish: NicWish,
  owner: Owner & { readonly services: DeviceServices | undefined },
  own: { readonly name: string; readonly hwaddr: string },
): Promise<string | undefined> {
  const { network, config } = wish;
  if (network?.type !== "bridge" || owner.services === undefined) return undefined;
  if ((config["vlan"] ?? "") !== "") return undefined;
  const others = await otherNics(owner.services, network, owner, own.name);
  for (const other of others) {
    const isSibling = other.instance === owner.instance && other.project === owner.project;
    const text = clashText(config, other, { ...own, isSibling, instance: owner.instance ?? "" });
    if (text !== undefined) return text;
  }
  return undefined;
}

async function otherNics(
  services: DeviceServices,
  network: ManagedNetwork,
  owner: Owner,
  name: string,
): Promise<readonly NicUse[]> {
  const all = await services.networks.nicsOn(network);
  return all.filter((one) =>
    !(one.instance === owner.instance && one.project === owner.project && one.device === name) &&
    (one.config["vlan"] ?? "") === ""
  );
}

function clashText(
  config: NicWish["config"],
  other: NicUse,
  own: { hwaddr: string; isSibling: boolean; instance: string },
): string | undefined {
  if (own.hwaddr !== "" && other.hwaddr.toLowerCase() === own.hwaddr.toLowerCase()) {
    return `MAC address "${own.hwaddr}" already defined on another NIC`;
  }
  if (own.isSibling || other.instance === own.instance) {
    return `Instance DNS name "${own.instance}" already used on network`;
  }
  for (const key of ["ipv4.address", "ipv6.address"]) {
    const value = config[key] ?? "";
    if (value !== "" && value !== "none" && other.config[key] === value) {
      return `IP address "${value}" already defined on another NIC`;
    }
  }
  return undefined;
}
