/** Arguments of a bridge's dnsmasq. Pure. */
import { formatAddress, networkOf, parseAddress, type Subnet } from "#base/ip.ts";
import { listOf } from "#base/list.ts";
import { isFalse, isTrue } from "#base/units.ts";
import type { Bridge } from "./bridge.ts";

/** undefined: the bridge has no address, so that nobody could ask. */
export function planDnsmasq(bridge: Bridge): string[] | undefined {
  const { name, config, directory, user, v4, v6 } = bridge;
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
  const isV4 = v4 !== undefined && !isFalse(config["ipv4.dhcp"]);
  const isV6 = v6 !== undefined && !isFalse(config["ipv6.dhcp"]);
  if (isV4 || isV6) {
    argv.push(
      ...(config["dns.mode"] === "dynamic" ? [] : ["--dhcp-ignore-names"]),
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

function dhcp4(config: Bridge["config"], subnet: Subnet): string[] {
  const expiry = config["ipv4.dhcp.expiry"] ?? "1h";
  const gateway = config["ipv4.dhcp.gateway"];
  const mtu = config["bridge.mtu"];
  const given = listOf(config["ipv4.dhcp.ranges"]).map((range) => range.split("-").join(","));
  const first = networkOf(subnet);
  const last = first + (1n << BigInt(32 - subnet.prefix)) - 1n;
  const whole = `${formatAddress(4, first + 2n)},${formatAddress(4, last - 1n)}`;
  return [
    ...(given.length > 0 ? given : [whole]).map((range) => `--dhcp-range=${range},${expiry}`),
    ...(gateway === undefined ? [] : [`--dhcp-option-force=3,${gateway}`]),
    ...(mtu === undefined || mtu === "1500" ? [] : [`--dhcp-option-force=26,${mtu}`]),
  ];
}

function dhcp6(name: string, config: Bridge["config"], subnet: Subnet): string[] {
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
