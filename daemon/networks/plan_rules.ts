/**
 * Firewall rules of a bridge, as one nft transaction that replaces what the network had. All networks
 * share the table `inet lxd`; each has chains of its own, named as LXD names them. Pure.
 */
import { formatNetwork } from "#base/ip.ts";
import { isFalse, isTrue } from "#base/units.ts";
import { type Chain, removeChains, tableText } from "#daemon/host/nft.ts";
import { aclChains } from "./acl_rules.ts";
import { forwardChains } from "./forward_rules.ts";
import type { Bridge } from "./bridge.ts";
import { serviceRules } from "./service_rules.ts";

const CHAINS = [
  ...["in", "out", "fwd", "pstrt"],
  ...["aclin", "aclout", "aclfwd", "acl"],
  ...["fwdprert", "fwdout", "fwdpstrt"],
];

/** Text for `nft -f`: removal of what there was, then what is wanted. */
export function planRules(bridge: Bridge): string {
  const chains = [
    ...bridgeChains(bridge),
    ...aclChains(bridge),
    ...forwardChains(bridge.name, bridge.forwards),
  ];
  return removalRules(bridge.name) + tableText("inet", chains);
}

/** Ruleset that removes the chains of a network, whether they are there or not. */
export function removalRules(name: string): string {
  return removeChains("inet", CHAINS.map((title) => `${title}.${name}`));
}

function bridgeChains({ name, config, v4, v6 }: Bridge): Chain[] {
  const forward: string[] = [];
  const nat: string[] = [];
  for (const [family, subnet] of [["ip", v4], ["ip6", v6]] as const) {
    const key = family === "ip" ? "ipv4" : "ipv6";
    if (subnet === undefined) continue;
    if (isTrue(config[`${key}.nat`])) {
      const network = formatNetwork(subnet);
      const address = config[`${key}.nat.address`];
      const action = address === undefined ? "masquerade" : `snat ${family} to ${address}`;
      nat.push(`${family} saddr ${network} ${family} daddr != ${network} ${action}`);
    }
    if (isFalse(config[`${key}.firewall`])) continue;
    const protocol = `meta nfproto ${key}`;
    const action = isFalse(config[`${key}.routing`]) ? "reject" : "accept";
    forward.push(
      `${protocol} iifname "${name}" ${action}`,
      `${protocol} oifname "${name}" ${action}`,
    );
  }
  const served = {
    name,
    v4: isFalse(config["ipv4.firewall"]) ? undefined : v4,
    v6: isFalse(config["ipv6.firewall"]) ? undefined : v6,
  };
  const isServed = served.v4 !== undefined || served.v6 !== undefined;
  const service = (side: "iifname" | "oifname", port: "dport" | "sport") =>
    isServed ? serviceRules(served, side, port) : [];
  const filter = (hook: string) => `type filter hook ${hook} priority 0; policy accept;`;
  return [
    { name: `in.${name}`, hook: filter("input"), rules: service("iifname", "dport") },
    { name: `out.${name}`, hook: filter("output"), rules: service("oifname", "sport") },
    { name: `fwd.${name}`, hook: filter("forward"), rules: forward },
    {
      name: `pstrt.${name}`,
      hook: "type nat hook postrouting priority 100; policy accept;",
      rules: nat,
    },
  ].filter(({ rules }) => rules.length > 0);
}
