/** From the configuration of a bridge to what the host must have: links, rules, dnsmasq. Pure. */
import {
  formatAddress,
  formatNetwork,
  networkOf,
  parseAddress,
  parseSubnet,
  type Subnet,
} from "#base/ip.ts";
import { isFalse, isTrue } from "#base/units.ts";

export interface NetworkPlan {
  /** Lines for `ip -force -batch -`, in order; existing things are replaced. */
  readonly links: readonly string[];
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
}

const isOn = (value: string | undefined) => !isFalse(value);

export function planNetwork(input: PlanInput): NetworkPlan {
  const v4 = subnetOf(input.config["ipv4.address"]);
  const v6 = subnetOf(input.config["ipv6.address"]);
  return {
    links: planLinks(input, v4, v6),
    sysctls: planSysctls(input, v4, v6),
    nft: planRules(input, v4, v6),
    dnsmasq: planDnsmasq(input, v4, v6),
  };
}

function subnetOf(value: string | undefined): Subnet | undefined {
  return value === undefined ? undefined : parseSubnet(value);
}

function planLinks(
  { name, config }: PlanInput,
  v4: Subnet | undefined,
  v6: Subnet | undefined,
): string[] {
  const hwaddr = config["bridge.hwaddr"] ?? config["volatile.bridge.hwaddr"];
  const lines = [
    `link add name ${name} type bridge`,
    `link set dev ${name} mtu ${config["bridge.mtu"] ?? "1500"}`,
    ...(hwaddr === undefined ? [] : [`link set dev ${name} address ${hwaddr}`]),
    `link set dev ${name} up`,
    `address flush dev ${name} scope global`,
  ];
  if (v4 !== undefined) lines.push(`address replace ${config["ipv4.address"]} dev ${name}`);
  if (v6 !== undefined) {
    lines.push(`address replace ${config["ipv6.address"]} dev ${name} nodad`);
  }
  for (const family of [4, 6]) {
    for (const route of listOf(config[`ipv${family}.routes`])) {
      lines.push(`route replace ${route} dev ${name} proto static`);
    }
  }
  for (const one of listOf(config["bridge.external_interfaces"])) {
    lines.push(`link set dev ${one} master ${name}`, `link set dev ${one} up`);
  }
  return lines;
}

function planSysctls(
  { name, config }: PlanInput,
  v4: Subnet | undefined,
  v6: Subnet | undefined,
): [string, string][] {
  const list: [string, string][] = [];
  if (v4 !== undefined && isOn(config["ipv4.routing"])) list.push(["net/ipv4/ip_forward", "1"]);
  list.push([`net/ipv6/conf/${name}/disable_ipv6`, v6 === undefined ? "1" : "0"]);
  if (v6 !== undefined) {
    list.push([`net/ipv6/conf/${name}/autoconf`, "0"], [`net/ipv6/conf/${name}/accept_dad`, "0"]);
    if (isOn(config["ipv6.routing"])) {
      list.push(["net/ipv6/conf/all/forwarding", "1"], [`net/ipv6/conf/${name}/forwarding`, "1"]);
    }
  }
  return list;
}

/** One table for all networks, with chains of their own for each. */
function planRules(
  { name, config }: PlanInput,
  v4: Subnet | undefined,
  v6: Subnet | undefined,
): string {
  const input: string[] = [];
  const output: string[] = [];
  const forward: string[] = [];
  const nat: string[] = [];
  for (const [family, subnet] of [["ip", v4], ["ip6", v6]] as const) {
    const key = family === "ip" ? "ipv4" : "ipv6";
    if (subnet === undefined) continue;
    if (isTrue(config[`${key}.nat`])) {
      const network = formatNetwork(subnet);
      const address = config[`${key}.nat.address`];
      const action = address === undefined ? "masquerade" : `snat to ${address}`;
      nat.push(`${family} saddr ${network} ${family} daddr != ${network} ${action}`);
    }
    if (!isOn(config[`${key}.firewall`])) continue;
    const nfproto = `meta nfproto ${family === "ip" ? "ipv4" : "ipv6"}`;
    const action = isOn(config[`${key}.routing`]) ? "accept" : "reject";
    forward.push(
      `${nfproto} iifname "${name}" ${action}`,
      `${nfproto} oifname "${name}" ${action}`,
    );
  }
  for (const [hook, direction] of [[input, "dport"], [output, "sport"]] as const) {
    const side = direction === "dport" ? "iifname" : "oifname";
    hook.push(
      `${side} "${name}" tcp ${direction} 53 accept`,
      `${side} "${name}" udp ${direction} 53 accept`,
    );
    if (v4 !== undefined) hook.push(`${side} "${name}" udp ${direction} 67 accept`);
    if (v6 !== undefined) {
      hook.push(
        `${side} "${name}" icmpv6 type { 1, 2, 3, 4, 133, 134, 135, 136, 143 } accept`,
        `${side} "${name}" udp ${direction} 547 accept`,
      );
    }
  }
  const chain = (title: string, head: string, rules: readonly string[]) =>
    `  chain ${title}.${name} {\n    ${head}\n${
      rules.map((rule) => `    ${rule}\n`).join("")
    }  }\n`;
  return removalRules(name) + "table inet lxd {\n" +
    chain("in", "type filter hook input priority 0; policy accept;", input) +
    chain("out", "type filter hook output priority 0; policy accept;", output) +
    chain("fwd", "type filter hook forward priority 0; policy accept;", forward) +
    chain("pstrt", "type nat hook postrouting priority 100; policy accept;", nat) +
    "}\n";
}

/** Ruleset that removes the chains of a network, whether they are there or not. */
export function removalRules(name: string): string {
  const chains = ["in", "out", "fwd", "pstrt"].map((title) => `${title}.${name}`);
  return "table inet lxd {\n" + chains.map((chain) => `  chain ${chain} { }\n`).join("") + "}\n" +
    chains.map((chain) => `delete chain inet lxd ${chain}\n`).join("");
}

function planDnsmasq(
  input: PlanInput,
  v4: Subnet | undefined,
  v6: Subnet | undefined,
): string[] | undefined {
  const { name, config, directory, user } = input;
  if (v4 === undefined && v6 === undefined) return undefined;
  const domain = config["dns.domain"] ?? "lxd";
  const argv = [
    "--strict-order",
    "--bind-interfaces",
    "--except-interface=lo",
    `--pid-file=${directory}/dnsmasq.pid`,
    "--no-ping",
    `--interface=${name}`,
    "--dhcp-rapid-commit",
    "--quiet-dhcp",
    "--quiet-dhcp6",
    "--quiet-ra",
    `--conf-file=${directory}/dnsmasq.raw`,
    `--user=${user}`,
  ];
  if (config["dns.mode"] !== "none") argv.push(`--domain=${domain}`, `--local=/${domain}/`);
  if (v4 !== undefined) argv.push(`--listen-address=${addressOf(config["ipv4.address"])}`);
  if (v6 !== undefined) argv.push(`--listen-address=${addressOf(config["ipv6.address"])}`);
  const search = listOf(config["dns.search"]);
  if (search.length > 0) argv.push(`--dhcp-option-force=119,${search.join(",")}`);
  const isV4 = v4 !== undefined && isOn(config["ipv4.dhcp"]);
  const isV6 = v6 !== undefined && isOn(config["ipv6.dhcp"]);
  if (isV4 || isV6) {
    argv.push(
      "--dhcp-no-override",
      "--dhcp-authoritative",
      `--dhcp-leasefile=${directory}/dnsmasq.leases`,
      `--dhcp-hostsdir=${directory}/dnsmasq.hosts`,
    );
  }
  if (isV4) argv.push(...dhcp4(config, v4));
  if (isV6) argv.push(...dhcp6(name, config, v6));
  else if (v6 !== undefined) {
    argv.push(`--dhcp-range=::,constructor:${name},ra-only`, "--enable-ra");
  }
  return argv;
}

function dhcp4(config: PlanInput["config"], subnet: Subnet): string[] {
  const expiry = config["ipv4.dhcp.expiry"] ?? "1h";
  const gateway = config["ipv4.dhcp.gateway"];
  const given = listOf(config["ipv4.dhcp.ranges"]).map((range) => range.split("-").join(","));
  const first = networkOf(subnet);
  const last = first + (1n << BigInt(32 - subnet.prefix)) - 1n;
  const whole = `${formatAddress(4, first + 2n)},${formatAddress(4, last - 1n)}`;
  return [
    ...(given.length > 0 ? given : [whole]).map((range) => `--dhcp-range=${range},${expiry}`),
    ...(gateway === undefined ? [] : [`--dhcp-option-force=3,${gateway}`]),
  ];
}

function dhcp6(name: string, config: PlanInput["config"], subnet: Subnet): string[] {
  const expiry = config["ipv6.dhcp.expiry"] ?? "1h";
  if (!isTrue(config["ipv6.dhcp.stateful"])) {
    return [`--dhcp-range=::,constructor:${name},ra-stateless,ra-names`, "--enable-ra"];
  }
  const given = listOf(config["ipv6.dhcp.ranges"]).map((range) => range.split("-").join(","));
  const first = networkOf(subnet);
  const last = first + (1n << BigInt(128 - subnet.prefix)) - 1n;
  const whole = `${formatAddress(6, first + 2n)},${formatAddress(6, last)}`;
  return [
    ...(given.length > 0 ? given : [whole])
      .map((range) => `--dhcp-range=${range},${subnet.prefix},${expiry}`),
    "--enable-ra",
  ];
}

function listOf(value: string | undefined): string[] {
  return (value ?? "").split(",").map((one) => one.trim()).filter((one) => one !== "");
}

function addressOf(value: string | undefined): string {
  return (value ?? "").split("/")[0] ?? "";
}

/** File of dnsmasq.hosts for one nic: MAC, fixed addresses, name. */
export function hostLine(host: {
  readonly hwaddr: string;
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  readonly instance: string;
}): string {
  const parts = [host.hwaddr];
  if (host.ipv4 !== undefined && parseAddress(host.ipv4) !== undefined) parts.push(host.ipv4);
  if (host.ipv6 !== undefined && parseAddress(host.ipv6) !== undefined) {
    parts.push(`[${host.ipv6}]`);
  }
  return [...parts, host.instance].join(",") + "\n";
}
