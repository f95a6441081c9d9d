/** Rules of the ACLs of a bridge: between its instances and everything outside of it. Pure. */
import { type AclRow, type AclRule, subjectFamily } from "#api/config/network_acl.ts";
import { Fault } from "#base/errors.ts";
import { listOf } from "#base/list.ts";
import { isTrue } from "#base/units.ts";
import type { Chain } from "#daemon/host/nft.ts";
import type { Bridge } from "./bridge.ts";
import { serviceRules } from "./service_rules.ts";

/** Refusals first, so that no order of ACLs lets through what one of them forbids. */
const ORDER = ["drop", "reject", "allow"];
const VERDICT: Readonly<Record<string, string>> = {
  allow: "accept",
  drop: "drop",
  reject: "reject",
};

/** No chains where the network has no ACLs. */
export function aclChains(bridge: Bridge): Chain[] {
  const { name, config, acls } = bridge;
  if (listOf(config["security.acls"]).length === 0) return [];
  const jump = `jump acl.${name}`;
  const filter = (hook: string) => `type filter hook ${hook} priority 0; policy accept;`;
  // Neighbours must be found, and dnsmasq asks whether an address is taken (128).
  const echo = bridge.v6 === undefined ? [] : [`oifname "${name}" icmpv6 type 128 accept`];
  return [
    { name: `acl.${name}`, rules: [...aclRules(name, acls), ...defaults(name, config)] },
    {
      name: `aclin.${name}`,
      hook: filter("input"),
      rules: [...serviceRules(bridge, "iifname", "dport"), `iifname "${name}" ${jump}`],
    },
    {
      name: `aclout.${name}`,
      hook: filter("output"),
      rules: [...serviceRules(bridge, "oifname", "sport"), ...echo, `oifname "${name}" ${jump}`],
    },
    {
      name: `aclfwd.${name}`,
      hook: filter("forward"),
      rules: [`iifname "${name}" ${jump}`, `oifname "${name}" ${jump}`],
    },
  ];
}

function aclRules(network: string, acls: readonly AclRow[]): string[] {
  const rules: { action: string; text: string }[] = [];
  for (const acl of acls) {
    for (const [direction, list] of [["ingress", acl.ingress], ["egress", acl.egress]] as const) {
      const side = direction === "egress" ? `iifname "${network}"` : `oifname "${network}"`;
      for (const [index, rule] of list.entries()) {
        if (rule.state === "disabled") continue;
        const log = rule.state === "logged"
          ? `log prefix "lxd_acl${acl.id}-${direction}-${index} " `
          : "";
        for (const match of matches(rule)) {
          const verdict = `${log}${VERDICT[rule.action]}`;
          rules.push({
            action: rule.action,
            text: [side, match, verdict].filter((part) => part !== "").join(" "),
          });
        }
      }
    }
  }
  const order = (action: string) => ORDER.indexOf(action);
  return [
    "ct state established,related accept",
    ...rules.sort((a, b) => order(a.action) - order(b.action)).map(({ text }) => text),
  ];
}

/** One text for each family that the rule speaks of. */
function matches(rule: AclRule): string[] {
  const sources = listOf(rule.source);
  const destinations = listOf(rule.destination);
  const ports = portMatch(rule);
  if (sources.length === 0 && destinations.length === 0) return [ports];
  const texts: string[] = [];
  for (const family of [4, 6] as const) {
    const source = ofFamily(sources, family);
    const destination = ofFamily(destinations, family);
    if (sources.length > 0 && source.length === 0) continue;
    if (destinations.length > 0 && destination.length === 0) continue;
    const word = family === 4 ? "ip" : "ip6";
    texts.push([
      ...(source.length === 0 ? [] : [`${word} saddr { ${source.join(", ")} }`]),
      ...(destination.length === 0 ? [] : [`${word} daddr { ${destination.join(", ")} }`]),
      ...(ports === "" ? [] : [ports]),
    ].join(" "));
  }
  return texts;
}

function ofFamily(subjects: readonly string[], family: 4 | 6): string[] {
  return subjects.filter((subject) => {
    const found = subjectFamily(subject);
    if (found === undefined) {
      throw new Fault(
        "bad_request",
        `Cannot use "${subject}" in ACL rules of bridge networks`,
        {
          hint:
            "Name addresses, ranges or subnets: groups and selectors need a network of type ovn.",
        },
      );
    }
    return found === family;
  });
}

function portMatch(rule: AclRule): string {
  const protocol = rule.protocol ?? "";
  const number = (key: "icmp_type" | "icmp_code") => rule[key] ?? "";
  if (protocol === "icmp4" || protocol === "icmp6") {
    const word = protocol === "icmp4" ? "icmp" : "icmpv6";
    const parts = [
      ...(number("icmp_type") === "" ? [] : [`${word} type ${number("icmp_type")}`]),
      ...(number("icmp_code") === "" ? [] : [`${word} code ${number("icmp_code")}`]),
    ];
    return parts.length > 0 ? parts.join(" ") : `meta l4proto ${word === "icmp" ? 1 : 58}`;
  }
  if (protocol === "") return "";
  const parts = [
    ...(rule.source_port ? [`${protocol} sport { ${listOf(rule.source_port).join(", ")} }`] : []),
    ...(rule.destination_port
      ? [`${protocol} dport { ${listOf(rule.destination_port).join(", ")} }`]
      : []),
  ];
  return parts.length > 0 ? parts.join(" ") : `meta l4proto ${protocol}`;
}

function defaults(name: string, config: Bridge["config"]): string[] {
  return [["egress", "iifname"], ["ingress", "oifname"]].map(([direction, side]) => {
    const key = `security.acls.default.${direction}`;
    const log = isTrue(config[`${key}.logged`])
      ? `log prefix "lxd_acl_${name}-${direction}-default " `
      : "";
    return `${side} "${name}" ${log}${VERDICT[config[`${key}.action`] ?? "reject"] ?? "reject"}`;
  });
}
