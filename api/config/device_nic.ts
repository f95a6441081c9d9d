/** Keys of `nic` devices. */
import { parseAddress, parseSubnet } from "#base/ip.ts";
import { checkInterfaceName } from "./network_keys.ts";
import type { DeviceKey } from "./device_disk.ts";
import { boolValue, type Check, intValue } from "./instance_checks.ts";

const mac: Check = (value) => {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(value)) throw new Error("want a MAC address");
};
const address = (family: 4 | 6): Check => (value) => {
  if (value !== "none" && parseAddress(value)?.family !== family) {
    throw new Error(`want an IPv${family} address, or none`);
  }
};
const routes = (family: 4 | 6): Check => (value) => {
  for (const one of value.split(",")) {
    if (parseSubnet(one.trim())?.family !== family) throw new Error("want subnets in CIDR form");
  }
};

export const NIC_KEYS = {
  "boot.priority": { check: intValue, summary: "Boot order of a virtual machine", effect: "later" },
  "gvrp": { check: boolValue, summary: "Register the VLAN by GVRP", effect: "later" },
  "host_name": { check: checkInterfaceName, summary: "Name of the interface on the host" },
  "hwaddr": { check: mac, summary: "MAC address; chosen once if unset" },
  "ipv4.address": { check: address(4), summary: "Fixed IPv4 address by DHCP" },
  "ipv4.routes": { check: routes(4), summary: "Subnets routed to the instance" },
  "ipv6.address": { check: address(6), summary: "Fixed IPv6 address by DHCP" },
  "ipv6.routes": { check: routes(6), summary: "Subnets routed to the instance" },
  "limits.egress": { summary: "Rate limit for what leaves the instance", effect: "later" },
  "limits.ingress": { summary: "Rate limit for what reaches the instance", effect: "later" },
  "limits.max": { summary: "Rate limit for both directions", effect: "later" },
  "maas.subnet.ipv4": { summary: "MAAS subnet", effect: "later" },
  "maas.subnet.ipv6": { summary: "MAAS subnet", effect: "later" },
  "mtu": { check: intValue, summary: "MTU; that of the parent if unset" },
  "name": { check: checkInterfaceName, summary: "Name of the interface inside" },
  "network": { summary: "Managed network" },
  "nictype": { summary: "bridged, macvlan or p2p, where no network is named" },
  "parent": { summary: "Interface of the host" },
  "queue.tx.length": { check: intValue, summary: "Length of the transmit queue", effect: "later" },
  "security.ipv4_filtering": {
    check: boolValue,
    summary: "Only its own IPv4 address",
    effect: "later",
  },
  "security.ipv6_filtering": {
    check: boolValue,
    summary: "Only its own IPv6 address",
    effect: "later",
  },
  "security.mac_filtering": {
    check: boolValue,
    summary: "Only its own MAC address",
    effect: "later",
  },
  "security.port_isolation": {
    check: boolValue,
    summary: "Apart from other isolated ports",
    effect: "later",
  },
  "vlan": { check: intValue, summary: "VLAN id", effect: "later" },
  "vlan.tagged": { summary: "VLAN ids", effect: "later" },
} as const satisfies Readonly<Record<string, DeviceKey>>;

/** Kinds of nic that this version can do. */
export const NIC_TYPES = ["bridged", "macvlan", "p2p"] as const;
export type NicType = typeof NIC_TYPES[number];
