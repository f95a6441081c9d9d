/** A proxy device's options, parsed and checked together. */
import { parseProxyAddress, type ProxyAddress, proxyPairs } from "#api/config/device_proxy.ts";
import { parseAddress } from "#base/ip.ts";
import { messageOf } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import { invalidDevice } from "#daemon/devices/check_keys.ts";
import type { DeviceConfig, Devices } from "#daemon/devices/device.ts";

export interface ProxyWish {
  readonly listen: ProxyAddress;
  readonly connect: ProxyAddress;
  readonly side: "host" | "instance";
  readonly isNat: boolean;
  readonly config: DeviceConfig;
}

const isWildcard = (address: string) => address === "" || parseAddress(address)?.value === 0n;

/** @throws {Fault} bad_request in LXD's words. */
export function parseProxy(name: string, config: DeviceConfig): ProxyWish {
  const bind = config["bind"] ?? "";
  let wish: ProxyWish;
  try {
    wish = {
      listen: parseProxyAddress(config["listen"] ?? ""),
      connect: parseProxyAddress(config["connect"] ?? ""),
      side: bind === "" || bind === "host" ? "host" : "instance",
      isNat: isTrue(config["nat"]),
      config,
    };
    proxyPairs(wish.listen, wish.connect);
  } catch (error) {
    throw invalidDevice(name, messageOf(error));
  }
  const { listen, connect } = wish;
  const isHeader = isTrue(config["proxy_protocol"]);
  if (isHeader && (connect.type !== "tcp" || wish.isNat)) {
    throw invalidDevice(
      name,
      "The PROXY header can only be sent to tcp servers in non-nat mode",
    );
  }
  const isFile = listen.type === "unix" && listen.host.startsWith("/");
  if (!isFile && ["uid", "gid", "mode"].some((key) => (config[key] ?? "") !== "")) {
    throw invalidDevice(
      name,
      "Only proxy devices for non-abstract unix sockets can carry uid, gid, or mode properties",
    );
  }
  if (wish.isNat) checkNat(name, wish);
  return wish;
}

function checkNat(name: string, { listen, connect, side }: ProxyWish): void {
  if (side !== "host") throw invalidDevice(name, "Only host-bound proxies can use NAT");
  if (listen.type === "unix" || listen.type !== connect.type) {
    throw invalidDevice(
      name,
      `Proxying ${listen.type} <-> ${connect.type} is not supported when using NAT`,
    );
  }
  if (isWildcard(listen.host)) {
    throw invalidDevice(
      name,
      `Cannot listen on wildcard address "${listen.host}" when in nat mode`,
      "Name the address of the host that clients connect to.",
    );
  }
  if (parseAddress(listen.host)?.family !== parseAddress(connect.host)?.family) {
    throw invalidDevice(name, "Cannot mix IP versions between listen and connect in nat mode");
  }
}

/**
 * The address that NAT leads to: of one of the instance's nics, and fixed.
 *
 * @throws {Fault} bad_request
 */
export function natTarget(
  name: string,
  { connect }: ProxyWish,
  devices: Devices,
): string {
  const family = parseAddress(connect.host)?.family ?? 4;
  const fixed = fixedAddresses(devices, family);
  const [first] = fixed;
  if (isWildcard(connect.host)) {
    if (first !== undefined) return first;
    throw invalidDevice(
      name,
      `Instance has no static IPv${family} address assigned to be used as the connect IP`,
      `Give its nic an ipv${family}.address.`,
    );
  }
  if (fixed.includes(connect.host)) return connect.host;
  throw invalidDevice(
    name,
    `Proxy connect IP "${connect.host}" cannot be used with any of the instance NICs static IPs`,
    "NAT needs an address that a nic of the instance has for good.",
  );
}

function fixedAddresses(devices: Devices, family: 4 | 6): string[] {
  return Object.values(devices).filter(({ type }) => type === "nic")
    .map((device) => device[`ipv${family}.address`] ?? "")
    .filter((address) => parseAddress(address) !== undefined);
}

/** Does NAT to whatever address the nics have lead elsewhere now? One without an address stays. */
export function hasNewTarget(config: DeviceConfig, before: Devices, after: Devices): boolean {
  if (!isTrue(config["nat"])) return false;
  const address = parseAddress(parseProxyAddress(config["connect"] ?? "").host);
  if (address?.value !== 0n) return false;
  const target = fixedAddresses(after, address.family)[0];
  return target !== undefined && target !== fixedAddresses(before, address.family)[0];
}
