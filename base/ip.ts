/** IPv4 and IPv6 addresses and subnets as numbers. Pure. */

export interface Subnet {
  readonly family: 4 | 6;
  /** The address itself, with its host part. */
  readonly address: bigint;
  readonly prefix: number;
}

/** undefined if it is neither. */
export function parseAddress(text: string): { family: 4 | 6; value: bigint } | undefined {
  const v4 = parseV4(text);
  if (v4 !== undefined) return { family: 4, value: v4 };
  const v6 = parseV6(text);
  return v6 === undefined ? undefined : { family: 6, value: v6 };
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256n + BigInt(part);
  }
  return value;
}

function parseV6(text: string): bigint | undefined {
  if (!/^[0-9a-fA-F:.]+$/.test(text) || (text.match(/::/g)?.length ?? 0) > 1) return undefined;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted !== null) {
    const v4 = parseV4(dotted[2] ?? "");
    if (v4 === undefined) return undefined;
    const high = (v4 >> 16n).toString(16);
    return parseV6(`${dotted[1]}${high}:${(v4 & 0xffffn).toString(16)}`);
  }
  const [left = "", right] = text.split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right === undefined || right === "" ? [] : right.split(":");
  const missing = 8 - head.length - tail.length;
  if (right === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array<string>(missing).fill("0"), ...tail];
  let value = 0n;
  for (const group of groups) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    value = value * 65536n + BigInt(`0x${group}`);
  }
  return value;
}

/** "10.1.2.3/24"; undefined if it is no subnet. */
export function parseSubnet(text: string): Subnet | undefined {
  const [address = "", prefixText] = text.split("/");
  const parsed = parseAddress(address);
  if (parsed === undefined || prefixText === undefined || !/^\d{1,3}$/.test(prefixText)) {
    return undefined;
  }
  const prefix = Number(prefixText);
  if (prefix > (parsed.family === 4 ? 32 : 128)) return undefined;
  return { family: parsed.family, address: parsed.value, prefix };
}

/** As people write it: IPv6 in lower case, its longest run of zeros as "::". @see RFC 5952 */
export function formatAddress(family: 4 | 6, value: bigint): string {
  if (family === 4) {
    return [24n, 16n, 8n, 0n].map((shift) => ((value >> shift) & 255n).toString()).join(".");
  }
  const groups = Array.from(
    { length: 8 },
    (_, index) => ((value >> BigInt(112 - index * 16)) & 0xffffn).toString(16),
  );
  const longest = groups.join(":").match(/(?:^|:)0(?::0)+(?=:|$)/g)?.toSorted((a, b) =>
    b.length - a.length
  )[0];
  if (longest === undefined) return groups.join(":");
  const text = groups.join(":").replace(longest, ":");
  return text.startsWith("::") || text === ":"
    ? text === ":" ? "::" : text
    : text.startsWith(":")
    ? `:${text}`
    : text.endsWith(":")
    ? `${text}:`
    : text;
}

/** First address of the subnet: its network address. */
export function networkOf(subnet: Subnet): bigint {
  const bits = BigInt((subnet.family === 4 ? 32 : 128) - subnet.prefix);
  return (subnet.address >> bits) << bits;
}

/** "10.1.2.0/24" */
export function formatNetwork(subnet: Subnet): string {
  return `${formatAddress(subnet.family, networkOf(subnet))}/${subnet.prefix}`;
}

/** Whether an address is in a subnet; false for the other family. */
export function contains(subnet: Subnet, family: 4 | 6, value: bigint): boolean {
  return family === subnet.family && networkOf({ ...subnet, address: value }) === networkOf(subnet);
}

/** Whether any address is in both. */
export function overlaps(a: Subnet, b: Subnet): boolean {
  if (a.family !== b.family) return false;
  const prefix = Math.min(a.prefix, b.prefix);
  return networkOf({ ...a, prefix }) === networkOf({ ...b, prefix });
}

/** The address that stateless IPv6 configuration gives to a MAC address in a /64. @see RFC 4291 */
export function slaacAddress(subnet: Subnet, hwaddr: string): string {
  const bytes = hwaddr.split(":").map((part) => parseInt(part, 16));
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = bytes;
  const id = [a ^ 2, b, c, 0xff, 0xfe, d, e, f].reduce(
    (sum, byte) => sum * 256n + BigInt(byte),
    0n,
  );
  return formatAddress(6, networkOf({ ...subnet, prefix: 64 }) + id);
}

/** Its 4 or 16 bytes; undefined if it is no address. */
export function addressBytes(text: string): Uint8Array | undefined {
  const parsed = parseAddress(text);
  if (parsed === undefined) return undefined;
  const bytes = new Uint8Array(parsed.family === 4 ? 4 : 16);
  let rest = parsed.value;
  for (let index = bytes.length - 1; index >= 0; index--) {
    bytes[index] = Number(rest & 255n);
    rest >>= 8n;
  }
  return bytes;
}
