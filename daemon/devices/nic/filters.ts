/** Rules that let a bridged nic send from its own addresses only. Pure, but for their application. */
import {
  formatNetwork,
  networkOf,
  parseAddress,
  parseSubnet,
  slaacAddress,
  type Subnet,
} from "#base/ip.ts";
import { listOf } from "#base/list.ts";
import { isTrue } from "#base/units.ts";
import { applyRuleset, type Chain, removeChains, tableText } from "#daemon/host/nft.ts";
import type { DeviceConfig } from "#daemon/devices/device.ts";

export interface FilterWish {
  /** Unique name for the rules: "<instance>.<device>". */
  readonly owner: string;
  readonly link: string;
  readonly hwaddr: string;
  readonly config: DeviceConfig;
  /** Addresses it may use, where its family is filtered: "none" and "" for no address. */
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
}

const CHAINS = ["in", "fwd"] as const;
const HOOKS = { in: "input", fwd: "forward" } as const;

/** Whether any of security.{mac,ipv4,ipv6}_filtering is on. */
export function isFiltered(config: DeviceConfig): boolean {
  return ["mac", "ipv4", "ipv6"].some((one) => isTrue(config[`security.${one}_filtering`]));
}

/** For the table of the family bridge: what comes from the nic to the host, or to another port. */
export function filterChains(wish: FilterWish): Chain[] {
  const rules = filterRules(wish).map((rule) => `iifname "${wish.link}" ${rule}`);
  return CHAINS.map((chain) => ({
    name: `${chain}.${wish.owner}`,
    hook: `type filter hook ${HOOKS[chain]} priority -200; policy accept;`,
    rules,
  }));
}

/** Filtering of addresses includes that of the MAC address. */
function filterRules({ hwaddr, config, ipv4, ipv6 }: FilterWish): string[] {
  const number = `0x${hwaddr.replaceAll(":", "")}`;
  const rules = [
    `ether saddr != ${hwaddr} drop`,
    `ether type arp arp saddr ether != ${hwaddr} drop`,
    // The option of a neighbour advertisement that tells the link-layer address.
    `ether type ip6 icmpv6 type 136 @nh,528,48 != ${number} drop`,
  ];
  if (isTrue(config["security.ipv4_filtering"])) rules.push(...v4Rules(config, ipv4));
  if (isTrue(config["security.ipv6_filtering"])) rules.push(...v6Rules(config, ipv6, hwaddr));
  if (isTrue(config["security.ipv4_filtering"]) || isTrue(config["security.ipv6_filtering"])) {
    // Frames with a VLAN tag would pass the rules above unseen.
    rules.push("ether type { 8021q, 8021ad } drop");
  }
  return rules;
}

function v4Rules(config: DeviceConfig, address: string | undefined): string[] {
  const allowed = [...asList(address, 4), ...routesOf(config, 4)];
  const dhcp = "ether type ip ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp dport 67 accept";
  return [
    ...(allowed.length === 0 ? [] : [dhcp]),
    ...allowed.flatMap((one) => [
      `ether type arp arp saddr ip ${one} accept`,
      `ether type ip ip saddr ${one} accept`,
    ]),
    // Probes whether an address is taken have no sender yet.
    ...(allowed.length === 0 ? [] : ["ether type arp arp saddr ip 0.0.0.0 accept"]),
    "ether type arp drop",
    "ether type ip drop",
  ];
}

function v6Rules(config: DeviceConfig, address: string | undefined, hwaddr: string): string[] {
  const allowed = [...asList(address, 6), ...routesOf(config, 6)];
  const rules = ["ether type ip6 icmpv6 type 134 drop"];
  if (allowed.length > 0) {
    const local = slaacAddress({ family: 6, address: 0xfe80n << 112n, prefix: 64 }, hwaddr);
    rules.push(
      "ether type ip6 ip6 saddr fe80::/10 ip6 daddr ff02::1:2 udp dport 547 accept",
      "ether type ip6 ip6 saddr fe80::/10 icmpv6 type 133 accept",
      // Duplicate address detection, and reports of groups.
      "ether type ip6 ip6 saddr :: ip6 daddr ff02::/16 icmpv6 type 135 accept",
      "ether type ip6 ip6 daddr ff02::16 icmpv6 type 143 accept",
      ...[local, ...allowed].flatMap((one) => [
        `ether type ip6 icmpv6 type 136 ${targetMatch(one)} accept`,
      ]),
      "ether type ip6 icmpv6 type 136 drop",
      ...[local, ...allowed].map((one) => `ether type ip6 ip6 saddr ${one} accept`),
    );
  }
  return [...rules, "ether type ip6 drop"];
}

/** The address that a neighbour advertisement speaks of. */
function targetMatch(text: string): string {
  const subnet: Subnet | undefined = parseSubnet(text.includes("/") ? text : `${text}/128`);
  if (subnet === undefined) return "";
  const bits = networkOf(subnet) >> BigInt(128 - subnet.prefix);
  return `@nh,384,${subnet.prefix} 0x${bits.toString(16).padStart(subnet.prefix / 4, "0")}`;
}

function asList(value: string | undefined, family: 4 | 6): string[] {
  return listOf(value).filter((one) => parseAddress(one)?.family === family);
}

function routesOf(config: DeviceConfig, family: 4 | 6): string[] {
  return [`ipv${family}.routes`, `ipv${family}.routes.external`]
    .flatMap((key) => listOf(config[key]))
    .map((one) => parseSubnet(one)).filter((one) => one !== undefined).map(formatNetwork);
}

/** Replace the rules of a nic by these. */
export async function applyFilters(wish: FilterWish): Promise<void> {
  await applyRuleset(removal(wish.owner) + tableText("bridge", filterChains(wish)));
}

/** Idempotent. */
export async function removeFilters(owner: string): Promise<void> {
  await applyRuleset(removal(owner));
}

const removal = (owner: string) => removeChains("bridge", CHAINS.map((one) => `${one}.${owner}`));
