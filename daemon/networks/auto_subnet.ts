/** Free subnets for `auto`. */
import { Fault } from "#base/errors.ts";
import { formatAddress, overlaps, parseSubnet, type Subnet } from "#base/ip.ts";

const TRIES = 500;

/** A random 10.x.y.1/24 that overlaps nothing in `used`. @throws {Fault} conflict if none is free. */
export function freeV4(used: readonly Subnet[], random = randomByte): string {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const text = `10.${random()}.${random()}.1/24`;
    const subnet = parseSubnet(text);
    if (subnet !== undefined && !used.some((one) => overlaps(one, subnet))) return text;
  }
  throw new Fault("conflict", "Failed to automatically find an unused IPv4 subnet", {
    hint: "The host routes all of 10.0.0.0/8: set ipv4.address to a subnet, or to none.",
  });
}

/** A random fd42:x:y:z::1/64 (a unique local address, RFC 4193). */
export function freeV6(used: readonly Subnet[], random = randomByte): string {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const group = () => BigInt(random() * 256 + random());
    const value = (0xfd42n << 112n) | (group() << 96n) | (group() << 80n) | (group() << 64n) | 1n;
    const subnet: Subnet = { family: 6, address: value, prefix: 64 };
    if (!used.some((one) => overlaps(one, subnet))) return `${formatAddress(6, value)}/64`;
  }
  throw new Fault("conflict", "Failed to automatically find an unused IPv6 subnet", {
    hint: "Set ipv6.address to a subnet, or to none.",
  });
}

function randomByte(): number {
  return crypto.getRandomValues(new Uint8Array(1))[0] ?? 0;
}

/** 00:16:3e:xx:xx:xx, the prefix that LXD uses. */
export function randomHwaddr(): string {
  const tail = crypto.getRandomValues(new Uint8Array(3));
  return ["00", "16", "3e", ...[...tail].map((byte) => byte.toString(16).padStart(2, "0"))].join(
    ":",
  );
}
