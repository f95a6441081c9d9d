/** Firewall rules for what a bridge's host serves. Pure. */
import type { Bridge } from "./bridge.ts";

/** What instances need of the host: DHCP, DNS, neighbours and routers of IPv6. */
export function serviceRules(
  { name, v4, v6 }: Pick<Bridge, "name" | "v4" | "v6">,
  side: "iifname" | "oifname",
  port: "dport" | "sport",
): string[] {
  const rules = [
    `${side} "${name}" tcp ${port} 53 accept`,
    `${side} "${name}" udp ${port} 53 accept`,
  ];
  if (v4 !== undefined) {
    rules.push(
      `${side} "${name}" icmp type { 3, 11, 12 } accept`,
      `${side} "${name}" udp ${port} 67 accept`,
    );
  }
  if (v6 !== undefined) {
    rules.push(
      `${side} "${name}" icmpv6 type { 1, 2, 3, 4, 133, 134, 135, 136, 143 } accept`,
      `${side} "${name}" udp ${port} 547 accept`,
    );
  }
  return rules;
}
