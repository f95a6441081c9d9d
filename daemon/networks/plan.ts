/** From the configuration of a bridge to what the host must have: links, rules, dnsmasq. Pure. */
import { parseSubnet, type Subnet } from "#base/ip.ts";
import { isFalse } from "#base/units.ts";
import type { AclRow } from "#api/config/network_acl.ts";
import type { Forward } from "#api/config/network_forward.ts";
import { planDnsmasq } from "./plan_dnsmasq.ts";
import { planRules } from "./plan_rules.ts";
import { planTunnels, type Tunnel, tunnelMtu } from "./plan_tunnels.ts";

export interface NetworkPlan {
  readonly mtu: string;
  readonly hwaddr: string | undefined;
  /** With their prefix; whatever else of global scope is on the bridge goes. */
  readonly addresses: readonly string[];
  /** Subnets routed to the bridge. */
  readonly routes: readonly string[];
  /** Interfaces of the host that become ports. */
  readonly external: readonly string[];
  readonly tunnels: readonly Tunnel[];
  /** Files below /proc/sys and what to write into them. */
  readonly sysctls: readonly (readonly [path: string, value: string])[];
  /** A complete nft ruleset that replaces the one of this network. */
  readonly nft: string;
  /** Arguments of dnsmasq; undefined: none is wanted. */
  readonly dnsmasq: readonly string[] | undefined;
}

export interface PlanInput {
  readonly name: string;
  readonly config: Readonly<Record<string, string>>;
  /** Directory networks/<name> under the state directory. */
  readonly directory: string;
  /** User that dnsmasq drops to. */
  readonly user: string;
  readonly acls: readonly AclRow[];
  readonly forwards: readonly Forward[];
}

/** A bridge's configuration with its subnets parsed. */
export interface Bridge extends PlanInput {
  readonly v4: Subnet | undefined;
  readonly v6: Subnet | undefined;
}

export function planNetwork(input: PlanInput): NetworkPlan {
  const { config } = input;
  const v4 = subnetOf(config["ipv4.address"]);
  const v6 = subnetOf(config["ipv6.address"]);
  const bridge: Bridge = { ...input, v4, v6 };
  const tunnels = planTunnels(input.name, config);
  return {
    mtu: config["bridge.mtu"] ?? String(tunnelMtu(tunnels)),
    hwaddr: config["bridge.hwaddr"] ?? config["volatile.bridge.hwaddr"],
    addresses: [
      ...(v4 === undefined ? [] : [config["ipv4.address"] ?? ""]),
      ...(v6 === undefined ? [] : [config["ipv6.address"] ?? ""]),
    ],
    routes: [
      ...(v4 === undefined ? [] : listOf(config["ipv4.routes"])),
      ...(v6 === undefined ? [] : listOf(config["ipv6.routes"])),
    ],
    external: listOf(config["bridge.external_interfaces"]),
    tunnels,
    sysctls: planSysctls(bridge),
    nft: planRules(bridge),
    dnsmasq: planDnsmasq(bridge),
  };
}

function subnetOf(value: string | undefined): Subnet | undefined {
  return value === undefined ? undefined : parseSubnet(value);
}

function planSysctls({ name, config, v4, v6 }: Bridge): [string, string][] {
  const list: [string, string][] = [];
  if (v4 !== undefined && !isFalse(config["ipv4.routing"])) {
    list.push(["net/ipv4/ip_forward", "1"]);
  }
  list.push([`net/ipv6/conf/${name}/disable_ipv6`, v6 === undefined ? "1" : "0"]);
  if (v6 !== undefined) {
    list.push([`net/ipv6/conf/${name}/autoconf`, "0"], [`net/ipv6/conf/${name}/accept_dad`, "0"]);
    if (!isFalse(config["ipv6.routing"])) {
      list.push(["net/ipv6/conf/all/forwarding", "1"], [`net/ipv6/conf/${name}/forwarding`, "1"]);
    }
  }
  return list;
}

/** "a, b" -> ["a", "b"] */
export function listOf(value: string | undefined): string[] {
  return (value ?? "").split(",").map((one) => one.trim()).filter((one) => one !== "");
}
