/** Configuration keys of bridge networks. `effect: "later"`: accepted and kept, without an effect yet. */
import { Fault } from "#base/errors.ts";
import { parseAddress, parseSubnet } from "#base/ip.ts";
import { suggest } from "#base/suggest.ts";
import { isFalse, isTrue } from "#base/units.ts";

export interface NetworkKey {
  readonly type: "string" | "bool" | "int";
  readonly default?: string;
  readonly summary: string;
  readonly effect?: "later";
  readonly check?: (value: string) => void;
}

const LATER = { effect: "later" } as const;
const text = (summary: string, more: Partial<NetworkKey> = {}): NetworkKey => ({
  type: "string",
  summary,
  ...more,
});
const bool = (summary: string, more: Partial<NetworkKey> = {}): NetworkKey => ({
  type: "bool",
  summary,
  ...more,
});

function choice(...allowed: string[]) {
  return (value: string) => {
    if (!allowed.includes(value)) throw new Error(`want one of ${allowed.join(", ")}`);
  };
}

function gateway(family: 4 | 6) {
  return (value: string) => {
    if (value === "auto" || value === "none") return;
    if (parseSubnet(value)?.family !== family) {
      throw new Error(
        `want auto, none, or an address with its prefix such as ${
          family === 4 ? "10.1.2.1/24" : "fd42::1/64"
        }`,
      );
    }
  };
}

function address(family: 4 | 6) {
  return (value: string) => {
    if (parseAddress(value)?.family !== family) throw new Error(`want an IPv${family} address`);
  };
}

function ranges(family: 4 | 6) {
  return (value: string) => {
    for (const range of value.split(",")) {
      const ends = range.trim().split("-");
      if (ends.length !== 2 || ends.some((end) => parseAddress(end)?.family !== family)) {
        throw new Error("want ranges FIRST-LAST, separated by commas");
      }
    }
  };
}

function subnets(family: 4 | 6) {
  return (value: string) => {
    for (const one of value.split(",")) {
      if (parseSubnet(one.trim())?.family !== family) throw new Error("want subnets in CIDR form");
    }
  };
}

function mac(value: string): void {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(value)) throw new Error("want a MAC address");
}

export const NETWORK_KEYS: Readonly<Record<string, NetworkKey>> = {
  "bridge.driver": text("native or openvswitch", { check: choice("native"), default: "native" }),
  "bridge.external_interfaces": text("Interfaces of the host to add to the bridge"),
  "bridge.hwaddr": text("MAC address of the bridge", { check: mac }),
  "bridge.mode": text("standard or fan", { check: choice("standard"), default: "standard" }),
  "bridge.mtu": { type: "int", summary: "MTU of the bridge", default: "1500" },
  "bgp.ipv4.nexthop": text("BGP next hop", LATER),
  "bgp.ipv6.nexthop": text("BGP next hop", LATER),
  "dns.domain": text("DNS domain of the network", { default: "lxd" }),
  "dns.mode": text("none, managed or dynamic", {
    check: choice("none", "managed", "dynamic"),
    default: "managed",
  }),
  "dns.search": text("Search domains for clients"),
  "dns.zone.forward": text("DNS zone for names", LATER),
  "dns.zone.reverse.ipv4": text("DNS zone for IPv4 addresses", LATER),
  "dns.zone.reverse.ipv6": text("DNS zone for IPv6 addresses", LATER),
  "ipv4.address": text("Address of the bridge, auto or none", {
    check: gateway(4),
    default: "auto",
  }),
  "ipv4.dhcp": bool("Give out IPv4 addresses", { default: "true" }),
  "ipv4.dhcp.expiry": text("Lifetime of leases", { default: "1h" }),
  "ipv4.dhcp.gateway": text("Gateway told to clients", { check: address(4) }),
  "ipv4.dhcp.ranges": text("Ranges to give out", { check: ranges(4) }),
  "ipv4.firewall": bool("Make firewall rules", { default: "true" }),
  "ipv4.nat": bool("Hide the network behind the host", { default: "false" }),
  "ipv4.nat.address": text("Source address of outgoing traffic", { check: address(4) }),
  "ipv4.nat.order": text("Before or after other rules", {
    check: choice("before", "after"),
    ...LATER,
  }),
  "ipv4.ovn.ranges": text("Ranges for OVN routers", LATER),
  "ipv4.routes": text("More subnets routed to the bridge", { check: subnets(4) }),
  "ipv4.routing": bool("Route traffic in and out", { default: "true" }),
  "ipv6.address": text("Address of the bridge, auto or none", {
    check: gateway(6),
    default: "auto",
  }),
  "ipv6.dhcp": bool("Serve DHCPv6", { default: "true" }),
  "ipv6.dhcp.expiry": text("Lifetime of leases", { default: "1h" }),
  "ipv6.dhcp.ranges": text("Ranges to give out", { check: ranges(6) }),
  "ipv6.dhcp.stateful": bool("Give out addresses by DHCPv6", { default: "false" }),
  "ipv6.firewall": bool("Make firewall rules", { default: "true" }),
  "ipv6.nat": bool("Hide the network behind the host", { default: "false" }),
  "ipv6.nat.address": text("Source address of outgoing traffic", { check: address(6) }),
  "ipv6.nat.order": text("Before or after other rules", {
    check: choice("before", "after"),
    ...LATER,
  }),
  "ipv6.ovn.ranges": text("Ranges for OVN routers", LATER),
  "ipv6.routes": text("More subnets routed to the bridge", { check: subnets(6) }),
  "ipv6.routing": bool("Route traffic in and out", { default: "true" }),
  "maas.subnet.ipv4": text("MAAS subnet", LATER),
  "maas.subnet.ipv6": text("MAAS subnet", LATER),
  "raw.dnsmasq": text("More lines for dnsmasq's configuration"),
  "security.acls": text("Network ACLs", LATER),
  "security.acls.default.egress.action": text("Default action", LATER),
  "security.acls.default.egress.logged": bool("Log the default action", LATER),
  "security.acls.default.ingress.action": text("Default action", LATER),
  "security.acls.default.ingress.logged": bool("Log the default action", LATER),
  "volatile.bridge.hwaddr": text("MAC address chosen for the bridge", { check: mac }),
};

/** @throws {Fault} bad_request naming key, value and what is allowed. */
export function checkNetworkConfig(config: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(config)) {
    if (key.startsWith("user.") && key.length > 5) continue;
    const row = NETWORK_KEYS[key];
    if (row === undefined) {
      const near = suggest(key, Object.keys(NETWORK_KEYS));
      throw new Fault("bad_request", `Invalid option for network configuration: "${key}"`, {
        hint: near === undefined ? "See the list of network keys." : `Did you mean "${near}"?`,
      });
    }
    if (value === "") continue;
    try {
      if (row.type === "bool" && !isTrue(value) && !isFalse(value)) {
        throw new Error("want true or false");
      }
      if (row.type === "int" && !/^\d+$/.test(value)) throw new Error("want a whole number");
      row.check?.(value);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Fault("bad_request", `Invalid value "${value}" for network key "${key}": ${why}`);
    }
  }
}

/** @throws {Fault} bad_request */
export function checkInterfaceName(name: string): void {
  if (name.length < 2) {
    throw new Fault("bad_request", "Network interface is too short (minimum 2 characters)");
  }
  if (name.length > 15) {
    throw new Fault("bad_request", "Network interface is too long (maximum 15 characters)");
  }
  if (!/^[-_a-zA-Z0-9.]+$/.test(name) || name === ".." || name.startsWith("-")) {
    throw new Fault("bad_request", `Network interface name "${name}" contains invalid characters`);
  }
}
