/** Keys of `nic` devices, and which of them each nictype has. */
import { formatNetwork, networkOf, parseAddress, parseSubnet } from "#base/ip.ts";
import { listOf } from "#base/list.ts";
import { checkInterfaceName } from "./network_keys.ts";
import type { DeviceKey } from "./device_disk.ts";
import { boolValue, type Check, intBetween, uint32Value, wordOf } from "./instance_checks.ts";

const mac: Check = (value) => {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(value)) throw new Error("want a MAC address");
};
const addresses = (family: 4 | 6): Check => (value) => {
  for (const one of listOf(value)) {
    const address = one.includes("/") ? parseSubnet(one)?.family : parseAddress(one)?.family;
    if (one !== "none" && address !== family) throw new Error(`want an IPv${family} address`);
  }
};
const oneAddress = (family: 4 | 6): Check => (value) => {
  if (parseAddress(value)?.family !== family) throw new Error(`want one IPv${family} address`);
};
const gateway = (family: 4 | 6): Check => (value) => {
  if (value === "auto" || value === "none") return;
  if (parseAddress(value)?.family !== family) {
    throw new Error(`want auto, none or an IPv${family} address`);
  }
};
const routes = (family: 4 | 6): Check => (value) => {
  for (const one of listOf(value)) {
    const subnet = parseSubnet(one);
    if (subnet?.family !== family) throw new Error("want subnets in CIDR form");
    if (subnet.address === networkOf(subnet)) continue;
    throw new Error(`Not an IPv${family} network address "${one}": want ${formatNetwork(subnet)}`);
  }
};
const BIT_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  bit: 1,
  kbit: 1e3,
  Mbit: 1e6,
  Gbit: 1e9,
  Tbit: 1e12,
  Pbit: 1e15,
  Ebit: 1e18,
  Kibit: 2 ** 10,
  Mibit: 2 ** 20,
  Gibit: 2 ** 30,
  Tibit: 2 ** 40,
  Pibit: 2 ** 50,
  Eibit: 2 ** 60,
};

/** "10Mbit" -> 10000000. @throws Error naming the units. */
export function parseBitRate(text: string): number {
  const match = /^(\d+)\s*([A-Za-z]*)$/.exec(text.trim());
  const unit = match === null ? undefined : BIT_UNITS[match[2] ?? ""];
  if (match === null || unit === undefined) {
    throw new Error("want a rate such as 10Mbit (bit, kbit, Mbit, Gbit, Kibit, Mibit, Gibit)");
  }
  return Number(match[1]) * unit;
}

const rate: Check = (value) => {
  if (parseBitRate(value) < 1) throw new Error("want more than nothing, or unset it for no limit");
};

const MAX_VLAN = 4094;

const vlan: Check = (value) => {
  if (value === "none") return;
  if (!/^\d{1,4}$/.test(value) || Number(value) > MAX_VLAN) {
    throw new Error(`want a VLAN id from 0 to ${MAX_VLAN}, or none`);
  }
};

/** "1,5-7" -> [1, 5, 6, 7]. @throws Error */
export function parseVlans(text: string): number[] {
  return listOf(text).flatMap((part) => {
    const match = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || first < 1 || last > MAX_VLAN || last < first) {
      throw new Error(`want VLAN ids from 1 to ${MAX_VLAN} and ranges of them`);
    }
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

export const NIC_KEYS = {
  "boot.priority": {
    check: uint32Value,
    summary: "Boot order of a virtual machine",
    effect: "later",
  },
  "gvrp": { check: boolValue, summary: "Register the VLAN by GVRP" },
  "host_name": { check: checkInterfaceName, summary: "Name of the interface on the host" },
  "hwaddr": { check: mac, summary: "MAC address; chosen once if unset" },
  "ipv4.address": { check: addresses(4), summary: "Fixed IPv4 address" },
  "ipv4.gateway": { check: gateway(4), summary: "auto, none or an address" },
  "ipv4.host_address": { check: oneAddress(4), summary: "Address of the host's end" },
  "ipv4.host_table": { check: uint32Value, summary: "Another routing table for the address too" },
  "ipv4.neighbor_probe": { check: boolValue, summary: "Ask first whether the address is taken" },
  "ipv4.routes": { check: routes(4), summary: "Subnets routed to the instance" },
  "ipv4.routes.external": { check: routes(4), summary: "Subnets routed to it from outside" },
  "ipv6.address": { check: addresses(6), summary: "Fixed IPv6 address" },
  "ipv6.gateway": { check: gateway(6), summary: "auto, none or an address" },
  "ipv6.host_address": { check: oneAddress(6), summary: "Address of the host's end" },
  "ipv6.host_table": { check: uint32Value, summary: "Another routing table for the address too" },
  "ipv6.neighbor_probe": { check: boolValue, summary: "Ask first whether the address is taken" },
  "ipv6.routes": { check: routes(6), summary: "Subnets routed to the instance" },
  "ipv6.routes.external": { check: routes(6), summary: "Subnets routed to it from outside" },
  "limits.egress": { check: rate, summary: "Rate limit for what leaves the instance" },
  "limits.ingress": { check: rate, summary: "Rate limit for what reaches the instance" },
  "limits.max": { check: rate, summary: "Rate limit for both directions" },
  "maas.subnet.ipv4": { summary: "MAAS subnet", effect: "later" },
  "maas.subnet.ipv6": { summary: "MAAS subnet", effect: "later" },
  "mode": { check: wordOf("l2", "l3s"), summary: "Mode of ipvlan" },
  "mtu": { check: intBetween(1280, 16384), summary: "MTU; that of the parent if unset" },
  "name": { check: checkInterfaceName, summary: "Name of the interface inside" },
  "network": { summary: "Managed network" },
  "nictype": { summary: "Kind of interface, where no network is named" },
  "parent": { summary: "Interface of the host" },
  "queue.tx.length": { check: uint32Value, summary: "Length of the transmit queue" },
  "security.ipv4_filtering": { check: boolValue, summary: "Only its own IPv4 address" },
  "security.ipv6_filtering": { check: boolValue, summary: "Only its own IPv6 address" },
  "security.mac_filtering": { check: boolValue, summary: "Only its own MAC address" },
  "security.port_isolation": { check: boolValue, summary: "Apart from other isolated ports" },
  "vlan": { check: vlan, summary: "VLAN id" },
  "vlan.tagged": { check: (value: string) => void parseVlans(value), summary: "VLAN ids" },
} as const satisfies Readonly<Record<string, DeviceKey>>;

/** Kinds of nic; sriov and ipvlan where hardware and kernel have them. */
export const NIC_TYPES = [
  "bridged",
  "ipvlan",
  "macvlan",
  "p2p",
  "physical",
  "routed",
  "sriov",
] as const;
export type NicType = typeof NIC_TYPES[number];

const COMMON = ["hwaddr", "mtu", "name"] as const;
const BOOT = ["boot.priority"] as const;
const MANAGED = ["network", "parent", "maas.subnet.ipv4", "maas.subnet.ipv6"] as const;
const LIMITS = ["limits.egress", "limits.ingress", "limits.max", "queue.tx.length"] as const;
const ROUTED = [
  ...["ipv4.address", "ipv4.gateway", "ipv4.host_table"] as const,
  ...["ipv6.address", "ipv6.gateway", "ipv6.host_table"] as const,
  ...["gvrp", "parent", "vlan"] as const,
] as const;

/** Options of each kind, besides type and nictype. */
export const OPTIONS_OF_NIC: Readonly<Record<NicType, readonly (keyof typeof NIC_KEYS)[]>> = {
  bridged: [
    ...COMMON,
    ...BOOT,
    ...MANAGED,
    ...LIMITS,
    ...["host_name", "vlan", "vlan.tagged"] as const,
    ...["ipv4.address", "ipv4.routes", "ipv4.routes.external"] as const,
    ...["ipv6.address", "ipv6.routes", "ipv6.routes.external"] as const,
    ...["security.ipv4_filtering", "security.ipv6_filtering"] as const,
    ...["security.mac_filtering", "security.port_isolation"] as const,
  ],
  ipvlan: [...COMMON, ...ROUTED, "mode"],
  macvlan: [...COMMON, ...BOOT, ...MANAGED, "gvrp", "vlan"],
  p2p: [...COMMON, ...BOOT, ...LIMITS, "host_name", "ipv4.routes", "ipv6.routes"],
  physical: [...COMMON, ...BOOT, ...MANAGED, "gvrp", "vlan"],
  routed: [
    ...COMMON,
    ...ROUTED,
    ...LIMITS,
    ...["host_name", "ipv4.routes", "ipv6.routes"] as const,
    ...["ipv4.host_address", "ipv4.neighbor_probe"] as const,
    ...["ipv6.host_address", "ipv6.neighbor_probe"] as const,
  ],
  sriov: [...COMMON, ...BOOT, ...MANAGED, "security.mac_filtering", "vlan"],
};
