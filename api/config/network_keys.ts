/** Configuration keys of networks, by type. `effect: "later"`: accepted and kept, without an effect yet. */
import { Fault } from "#base/errors.ts";
import { contains, parseAddress, parseSubnet } from "#base/ip.ts";
import { listOf } from "#base/list.ts";
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

function gatewayOnly(family: 4 | 6) {
  return (value: string) => {
    if (parseSubnet(value)?.family !== family) throw new Error("want an address with its prefix");
  };
}

function anyAddress(value: string): void {
  if (parseAddress(value) === undefined) throw new Error(`Not an IP address "${value}"`);
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

function vlanId(value: string): void {
  if (!/^\d{1,4}$/.test(value) || Number(value) > 4094) {
    throw new Error("want a VLAN id from 0 to 4094");
  }
}

function mtu(value: string): void {
  if (!/^\d{1,5}$/.test(value) || Number(value) < 1280 || Number(value) > 16384) {
    throw new Error("want an MTU from 1280 to 16384");
  }
}

function domain(value: string): void {
  if (!/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/i.test(value)) {
    throw new Error("want a domain such as example.net");
  }
}

function standardOnly(value: string): void {
  if (value === "fan") {
    throw new Error("fan bridges need a kernel and iproute2 with Ubuntu's fan patches");
  }
  if (value !== "standard") throw new Error("want standard");
}

/** Kinds of networks, in the order of their numbers in the database. */
export const NETWORK_TYPES = ["bridge", "macvlan", "sriov", "ovn", "physical"] as const;
export type NetworkType = typeof NETWORK_TYPES[number];

export const BRIDGE_KEYS: Readonly<Record<string, NetworkKey>> = {
  "bridge.driver": text("native or openvswitch", { check: choice("native"), default: "native" }),
  "bridge.external_interfaces": text("Interfaces of the host to add to the bridge", {
    check: (value) => listOf(value).forEach(checkInterfaceName),
  }),
  "bridge.hwaddr": text("MAC address of the bridge", { check: mac }),
  "bridge.mode": text("standard or fan", { check: standardOnly, default: "standard" }),
  "bridge.mtu": { type: "int", check: mtu, summary: "MTU of the bridge", default: "1500" },
  "bgp.ipv4.nexthop": text("BGP next hop", LATER),
  "bgp.ipv6.nexthop": text("BGP next hop", LATER),
  "dns.domain": text("DNS domain of the network", { check: domain, default: "lxd" }),
  "dns.mode": text("none, managed or dynamic", {
    check: choice("none", "managed", "dynamic"),
    default: "managed",
  }),
  "dns.search": text("Search domains for clients"),
  "dns.zone.forward": text("DNS zone for names"),
  "dns.zone.reverse.ipv4": text("DNS zone for IPv4 addresses"),
  "dns.zone.reverse.ipv6": text("DNS zone for IPv6 addresses"),
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
  "ipv4.ovn.ranges": text("Ranges for OVN routers", { check: ranges(4), ...LATER }),
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
  "ipv6.ovn.ranges": text("Ranges for OVN routers", { check: ranges(6), ...LATER }),
  "ipv6.routes": text("More subnets routed to the bridge", { check: subnets(6) }),
  "ipv6.routing": bool("Route traffic in and out", { default: "true" }),
  "maas.subnet.ipv4": text("MAAS subnet", LATER),
  "maas.subnet.ipv6": text("MAAS subnet", LATER),
  "raw.dnsmasq": text("More lines for dnsmasq's configuration"),
  "security.acls": text("Network ACLs of traffic from and to the outside"),
  "security.acls.default.egress.action": text("What happens to other outgoing traffic", {
    check: choice("allow", "reject", "drop"),
    default: "reject",
  }),
  "security.acls.default.egress.logged": bool("Log other outgoing traffic", { default: "false" }),
  "security.acls.default.ingress.action": text("What happens to other incoming traffic", {
    check: choice("allow", "reject", "drop"),
    default: "reject",
  }),
  "security.acls.default.ingress.logged": bool("Log other incoming traffic", { default: "false" }),
  "volatile.bridge.hwaddr": text("MAC address chosen for the bridge", { check: mac }),
};

/** tunnel.NAME.<one of these> */
export const TUNNEL_KEYS: Readonly<Record<string, NetworkKey>> = {
  group: text("Multicast address of a vxlan tunnel", { check: anyAddress, default: "239.0.0.1" }),
  id: { type: "int", summary: "Id of a vxlan tunnel", default: "1" },
  interface: text("Interface of the host for a vxlan tunnel", { check: checkInterfaceName }),
  local: text("Address of this end", { check: anyAddress }),
  port: { type: "int", summary: "UDP port of a vxlan tunnel", default: "0" },
  protocol: text("gre or vxlan", { check: choice("gre", "vxlan") }),
  remote: text("Address of the other end", { check: anyAddress }),
  ttl: { type: "int", summary: "TTL of a vxlan tunnel", default: "1" },
};

export const MACVLAN_KEYS: Readonly<Record<string, NetworkKey>> = {
  "mtu": { type: "int", check: mtu, summary: "MTU of the interfaces" },
  "parent": text("Interface of the host", { check: checkInterfaceName }),
  "vlan": { type: "int", check: vlanId, summary: "VLAN id" },
  "gvrp": bool("Register the VLAN by GVRP", { default: "false" }),
  "maas.subnet.ipv4": text("MAAS subnet", LATER),
  "maas.subnet.ipv6": text("MAAS subnet", LATER),
};

const { gvrp: _gvrp, ...WITHOUT_GVRP } = MACVLAN_KEYS;
export const SRIOV_KEYS: Readonly<Record<string, NetworkKey>> = WITHOUT_GVRP;

export const PHYSICAL_KEYS: Readonly<Record<string, NetworkKey>> = {
  ...MACVLAN_KEYS,
  "dns.nameservers": text("DNS servers of the uplink", {
    check: (value) => listOf(value).forEach(anyAddress),
    ...LATER,
  }),
  "ipv4.gateway": text("Gateway of the uplink", { check: gatewayOnly(4), ...LATER }),
  "ipv4.ovn.ranges": text("Ranges for OVN routers", { check: ranges(4), ...LATER }),
  "ipv4.routes": text("Subnets routed to networks behind it", { check: subnets(4), ...LATER }),
  "ipv4.routes.anycast": bool("Let several use the same route", LATER),
  "ipv6.gateway": text("Gateway of the uplink", { check: gatewayOnly(6), ...LATER }),
  "ipv6.ovn.ranges": text("Ranges for OVN routers", { check: ranges(6), ...LATER }),
  "ipv6.routes": text("Subnets routed to networks behind it", { check: subnets(6), ...LATER }),
  "ipv6.routes.anycast": bool("Let several use the same route", LATER),
  "ovn.ingress_mode": text("How OVN networks are reached", {
    check: choice("l2proxy", "routed"),
    ...LATER,
  }),
};

/** ovn needs a running OVN, which this server does not drive. */
const KEYS_OF_TYPE: Readonly<
  Record<Exclude<NetworkType, "ovn">, Readonly<Record<string, NetworkKey>>>
> = {
  bridge: BRIDGE_KEYS,
  macvlan: MACVLAN_KEYS,
  sriov: SRIOV_KEYS,
  physical: PHYSICAL_KEYS,
};

function findKey(type: Exclude<NetworkType, "ovn">, key: string): NetworkKey | undefined {
  const table = KEYS_OF_TYPE[type];
  if (Object.hasOwn(table, key)) return table[key];
  if (type === "bridge") {
    const tunnel = /^tunnel\.[^.]+\.(\w+)$/.exec(key)?.[1];
    if (tunnel !== undefined && Object.hasOwn(TUNNEL_KEYS, tunnel)) return TUNNEL_KEYS[tunnel];
  }
  if (type !== "bridge" && type !== "physical") return undefined;
  const isPeer = /^bgp\.peers\.[^.]+\.(address|asn|password|holdtime)$/.test(key);
  if (!isPeer) return undefined;
  return text("BGP peer", { ...(key.endsWith(".address") && { check: anyAddress }), ...LATER });
}

/** @throws {Fault} bad_request naming key, value and what is allowed. */
export function checkNetworkConfig(
  name: string,
  type: NetworkType,
  config: Readonly<Record<string, string>>,
): void {
  if (type === "ovn") {
    throw new Fault("bad_request", 'network type "ovn" is not supported', {
      hint: "It needs an OVN installation, which this server does not drive.",
    });
  }
  for (const [key, value] of Object.entries(config)) {
    if (key.startsWith("user.") && key.length > 5) continue;
    const row = findKey(type, key);
    if (row === undefined) {
      const near = suggest(key, Object.keys(KEYS_OF_TYPE[type]));
      throw new Fault("bad_request", `Invalid option for network "${name}" option "${key}"`, {
        hint: near === undefined ? "See the list of network keys." : `Did you mean "${near}"?`,
      });
    }
    if (value !== "") checkValue(name, key, value, row);
  }
  if (type === "bridge") checkBridge(name, config);
  else if ((config["parent"] ?? "") === "") {
    throw new Fault(
      "bad_request",
      `Invalid value for network "${name}" option "parent": Required value`,
      { hint: "Name an interface of the host: parent=eth0" },
    );
  }
}

function checkValue(name: string, key: string, value: string, row: NetworkKey): void {
  try {
    if (row.type === "bool" && !isTrue(value) && !isFalse(value)) {
      throw new Error("want true or false");
    }
    if (row.type === "int" && !/^\d+$/.test(value)) throw new Error("want a whole number");
    row.check?.(value);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Fault(
      "bad_request",
      `Invalid value for network "${name}" option "${key}": Invalid value "${value}": ${why}`,
      { cause: error },
    );
  }
}

/** Rules across the keys of a bridge. */
function checkBridge(name: string, config: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(config)) {
    const tunnel = /^tunnel\.([^.]+)\./.exec(key)?.[1];
    if (tunnel !== undefined && `${name}-${tunnel}`.length > 15) {
      throw new Fault(
        "bad_request",
        `Network name too long for tunnel interface: ${name}-${tunnel}`,
        { hint: "Name of network, hyphen and name of tunnel must fit in 15 characters." },
      );
    }
  }
  for (const family of [4, 6] as const) {
    const subnet = parseSubnet(config[`ipv${family}.address`] ?? "");
    const ranges = config[`ipv${family}.dhcp.ranges`] ?? "";
    if (ranges === "") continue;
    if (subnet === undefined) continue;
    for (const end of ranges.split(",").flatMap((range) => range.trim().split("-"))) {
      const parsed = parseAddress(end);
      if (parsed !== undefined && contains(subnet, parsed.family, parsed.value)) continue;
      throw new Fault(
        "bad_request",
        `Invalid value for network "${name}" option "ipv${family}.dhcp.ranges": ` +
          `IP "${end}" is not within the network subnet`,
      );
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
