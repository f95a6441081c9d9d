/** From the configuration of a bridge to what the host must have: links, rules, dnsmasq. Pure. */
import { parseSubnet, type Subnet } from "#base/ip.ts";
import { listOf } from "#base/list.ts";
import { isFalse } from "#base/units.ts";
import type { Bridge, NetworkPlan, PlanInput } from "./bridge.ts";
import { planDnsmasq } from "./plan_dnsmasq.ts";
import { planRules } from "./plan_rules.ts";
import { planTunnels, tunnelMtu } from "./plan_tunnels.ts";

/** @throws {Fault} bad_request for a rule of an ACL that can't be. */
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
