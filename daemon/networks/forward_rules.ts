/** Rules of network forwards: an address of the host leads to instances. Pure. */
import type { Forward } from "#api/config/network_forward.ts";
import { parsePortPairs } from "#api/config/network_forward.ts";
import { parseAddress } from "#base/ip.ts";
import type { Chain } from "#daemon/host/nft.ts";

/** No chains where there are no rules. */
export function forwardChains(network: string, forwards: readonly Forward[]): Chain[] {
  const rules = forwards.flatMap(forwardRules);
  if (rules.length === 0) return [];
  const dnat = rules.map(({ match, target }) => `${match} ${target}`);
  return [
    {
      name: `fwdprert.${network}`,
      hook: "type nat hook prerouting priority -100; policy accept;",
      rules: dnat,
    },
    {
      name: `fwdout.${network}`,
      hook: "type nat hook output priority -100; policy accept;",
      rules: dnat,
    },
    {
      name: `fwdpstrt.${network}`,
      hook: "type nat hook postrouting priority 100; policy accept;",
      rules: rules.map(({ hairpin }) => `${hairpin} masquerade`),
    },
  ];
}

interface ForwardRule {
  readonly match: string;
  readonly target: string;
  /** An instance that calls itself through the forward. */
  readonly hairpin: string;
}

function forwardRules(forward: Forward): ForwardRule[] {
  const listen = forward.listen_address;
  const family = parseAddress(listen)?.family === 6 ? "ip6" : "ip";
  const rule = (target: string, ports?: readonly [protocol: string, from: number, to: number]) => {
    const [protocol, from, to] = ports ?? ["", 0, 0];
    const host = family === "ip6" && ports !== undefined ? `[${target}]` : target;
    const self = `${family} saddr ${target} ${family} daddr ${target}`;
    return {
      match: `${family} daddr ${listen}` +
        (ports === undefined ? "" : ` ${protocol} dport ${from}`),
      target: `dnat ${family} to ${host}` + (ports === undefined ? "" : `:${to}`),
      hairpin: self + (ports === undefined ? "" : ` ${protocol} dport ${to}`),
    };
  };
  // Ports first: the default target takes what is left.
  const rules = forward.ports.flatMap((port) =>
    parsePortPairs(port).map(([from, to]) => rule(port.target_address, [port.protocol, from, to]))
  );
  const fallback = forward.config["target_address"] ?? "";
  return fallback === "" ? rules : [...rules, rule(fallback)];
}
