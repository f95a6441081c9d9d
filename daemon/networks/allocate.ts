/** An address for a nic whose address must be known but is not configured. Pure. */
import {
  contains,
  formatAddress,
  networkOf,
  parseAddress,
  parseSubnet,
  slaacAddress,
} from "#base/ip.ts";
import { listOf } from "#base/list.ts";
import { isFalse, isTrue } from "#base/units.ts";

export interface AllocateInput {
  readonly config: Readonly<Record<string, string>>;
  readonly family: 4 | 6;
  readonly hwaddr: string;
  /** Content of dnsmasq.leases. */
  readonly leases: string;
  /** Addresses that dnsmasq was told of for others. */
  readonly taken: ReadonlySet<string>;
}

/** undefined: the network gives out none, or has no free one. */
export function allocateAddress(input: AllocateInput): string | undefined {
  const { config, family, hwaddr } = input;
  const subnet = parseSubnet(config[`ipv${family}.address`] ?? "");
  if (subnet === undefined || isFalse(config[`ipv${family}.dhcp`])) return undefined;
  const isStateless = family === 6 && !isTrue(config["ipv6.dhcp.stateful"]);
  if (isStateless) return slaacAddress(subnet, hwaddr);
  const leases = input.leases.split("\n").map((line) => line.split(" "));
  const taken = new Set(input.taken);
  const ranges = listOf(config[`ipv${family}.dhcp.ranges`]).map((range) => {
    const [first = "", last = ""] = range.split("-").map((end) => end.trim());
    return [parseAddress(first)?.value ?? 0n, parseAddress(last)?.value ?? -1n] as const;
  });
  const isWithin = (address: string) => {
    const value = parseAddress(address)?.value ?? 0n;
    return ranges.length === 0 || ranges.some(([first, last]) => value >= first && value <= last);
  };
  for (const [, owner = "", address = ""] of leases) {
    const parsed = parseAddress(address);
    if (parsed?.family !== family || !contains(subnet, family, parsed.value)) continue;
    // Leases of DHCPv6 name their owner by other means than the MAC address.
    const isOwn = family === 4 && owner.toLowerCase() === hwaddr.toLowerCase();
    if (isOwn && isWithin(address) && !taken.has(address)) return address;
    if (!isOwn) taken.add(address);
  }
  taken.add(formatAddress(family, subnet.address));
  if (family === 6 && ranges.length === 0) {
    const own = slaacAddress(subnet, hwaddr);
    if (!taken.has(own) && !hasLease(leases, own)) return own;
  }
  return firstFree({ family, taken, ranges: ranges.length > 0 ? ranges : [wholeOf(subnet)] });
}

/** The lease file may write an address otherwise than we do. */
function hasLease(leases: readonly string[][], address: string): boolean {
  const value = parseAddress(address)?.value;
  return leases.some(([, , other = ""]) => parseAddress(other)?.value === value);
}

function wholeOf(subnet: { family: 4 | 6; address: bigint; prefix: number }) {
  const first = networkOf(subnet);
  const size = 1n << BigInt((subnet.family === 4 ? 32 : 128) - subnet.prefix);
  return [first + 1n, first + size - (subnet.family === 4 ? 2n : 1n)] as const;
}

/** So many are looked at in a range: the taken ones are never more. */
function firstFree(options: {
  family: 4 | 6;
  taken: ReadonlySet<string>;
  ranges: readonly (readonly [bigint, bigint])[];
}): string | undefined {
  const taken = new Set([...options.taken].map((one) => parseAddress(one)?.value));
  for (const [first, last] of options.ranges) {
    for (let value = first; value <= last; value++) {
      if (!taken.has(value)) return formatAddress(options.family, value);
    }
  }
  return undefined;
}
