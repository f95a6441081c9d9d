/**
 * Give leases of a nic that is gone back to dnsmasq, so that its addresses are free at once: as a client
 * would, by DHCPRELEASE and by RELEASE of DHCPv6. @see RFC 2131, RFC 8415
 */
import { createSocket } from "node:dgram";
import { parseAddress } from "#base/ip.ts";

interface Released {
  readonly port: number;
  readonly message: Uint8Array;
  readonly family: 4 | 6;
}

const PORT = { 4: 67, 6: 547 } as const;

/**
 * @param server Addresses of the bridge; dnsmasq believes what comes from these.
 * @param owner Whose leases: by MAC address, and for DHCPv6 by name.
 */
export async function releaseLeases(
  leases: string,
  server: { readonly v4: string | undefined; readonly v6: string | undefined },
  owner: { readonly hwaddr: string; readonly name: string },
): Promise<void> {
  for (const { message, port, family } of releaseMessages(leases, server, owner)) {
    await send(message, { family, port, address: server[`v${family}`] ?? "" });
  }
}

async function send(
  message: Uint8Array,
  to: { readonly family: 4 | 6; readonly port: number; readonly address: string },
): Promise<void> {
  const socket = createSocket(`udp${to.family}`);
  const { promise, resolve } = Promise.withResolvers<void>();
  // Ignored: the lease runs out by itself then.
  socket.once("error", () => resolve());
  socket.bind(0, to.address, () => socket.send(message, to.port, to.address, () => resolve()));
  await promise;
  socket.close();
}

/** Pure. */
export function releaseMessages(
  leases: string,
  server: { readonly v4: string | undefined; readonly v6: string | undefined },
  owner: { readonly hwaddr: string; readonly name: string },
): Released[] {
  const lines = leases.split("\n").map((line) => line.split(" "));
  const serverId = lines.find(([word]) => word === "duid")?.[1] ?? "";
  const found: Released[] = [];
  for (const [expiry = "", id = "", address = "", name = "", client = ""] of lines) {
    if (!/^\d+$/.test(expiry)) continue;
    const family = parseAddress(address)?.family;
    if (family === 4 && server.v4 !== undefined && sameMac(id, owner.hwaddr)) {
      const message = release4({ address, hwaddr: id, client, server: server.v4 });
      found.push({ family, port: PORT[4], message });
    }
    if (family === 6 && server.v6 !== undefined && name === owner.name) {
      const iaid = Number(id.replace(/^T/, ""));
      found.push({ family, port: PORT[6], message: release6({ address, iaid, client, serverId }) });
    }
  }
  return found;
}

const sameMac = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

const OPTIONS_AT = 236;
const MAGIC = [99, 130, 83, 99];
const RELEASE = 7;

function release4(lease: {
  readonly address: string;
  readonly hwaddr: string;
  readonly client: string;
  readonly server: string;
}): Uint8Array {
  const header = new Uint8Array(OPTIONS_AT);
  const mac = hex(lease.hwaddr);
  header.set([1, 1, mac.length, 0]);
  header.set(crypto.getRandomValues(new Uint8Array(4)), 4);
  header.set(bytesOf(lease.address), 12);
  header.set(mac, 28);
  const client = lease.client === "*" || lease.client === "" ? [] : [...hex(lease.client)];
  return Uint8Array.from([
    ...header,
    ...MAGIC,
    ...[53, 1, RELEASE],
    ...[54, 4, ...bytesOf(lease.server)],
    ...(client.length === 0 ? [] : [61, client.length, ...client]),
    255,
  ]);
}

const RELEASE_6 = 8;

function release6(lease: {
  readonly address: string;
  readonly iaid: number;
  readonly client: string;
  readonly serverId: string;
}): Uint8Array {
  const option = (code: number, data: readonly number[]) => [
    ...[code >> 8, code & 255, data.length >> 8, data.length & 255],
    ...data,
  ];
  const zeros = (count: number) => Array<number>(count).fill(0);
  const iaid = [24, 16, 8, 0].map((shift) => (lease.iaid >>> shift) & 255);
  const address = option(5, [...bytesOf(lease.address), ...zeros(8)]);
  return Uint8Array.from([
    RELEASE_6,
    ...crypto.getRandomValues(new Uint8Array(3)),
    ...option(1, [...hex(lease.client)]),
    ...option(2, [...hex(lease.serverId)]),
    ...option(3, [...iaid, ...zeros(8), ...address]),
  ]);
}

/** "00:16:3e" -> 3 bytes */
function hex(text: string): Uint8Array {
  return Uint8Array.from(text.split(":").map((part) => parseInt(part, 16) & 255));
}

function bytesOf(address: string): number[] {
  const parsed = parseAddress(address);
  const count = parsed?.family === 6 ? 16 : 4;
  const value = parsed?.value ?? 0n;
  return Array.from(
    { length: count },
    (_, index) => Number((value >> BigInt(8 * (count - 1 - index))) & 255n),
  );
}
