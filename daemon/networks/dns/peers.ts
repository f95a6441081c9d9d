/** Who may see a zone: peers.NAME.address and peers.NAME.key of its configuration. Pure. */
import { contains, parseAddress, parseSubnet } from "#base/ip.ts";
import { isSigned, type Tsig } from "./tsig.ts";

export interface Asker {
  readonly address: string;
  readonly message: Uint8Array;
  readonly tsig: Tsig | undefined;
  readonly nowSeconds: number;
}

/** @returns the key that answers are signed with, "unsigned" without one; undefined: nobody's peer. */
export function peerOf(
  zone: { readonly name: string; readonly config: Readonly<Record<string, string>> },
  asker: Asker,
): Uint8Array | "unsigned" | undefined {
  for (const [name, { address = "", key = "" }] of peersOf(zone.config)) {
    if (address === "" && key === "") continue;
    if (address !== "" && !isWithin(asker.address, address)) continue;
    if (key === "") return "unsigned";
    const secret = Buffer.from(key, "base64");
    const { tsig } = asker;
    if (tsig?.key !== `${zone.name}_${name}`.toLowerCase()) continue;
    if (isSigned(asker.message, tsig, { secret, nowSeconds: asker.nowSeconds })) return secret;
  }
  return undefined;
}

interface Peer {
  readonly address?: string;
  readonly key?: string;
}

function peersOf(config: Readonly<Record<string, string>>): Map<string, Peer> {
  const peers = new Map<string, Peer>();
  for (const [path, value] of Object.entries(config)) {
    const [, name, key] = /^peers\.([^.]+)\.(address|key)$/.exec(path) ?? [];
    if (name !== undefined && key !== undefined) {
      peers.set(name, { ...peers.get(name), [key]: value });
    }
  }
  return peers;
}

function isWithin(text: string, network: string): boolean {
  const address = parseAddress(text.replace(/^::ffff:(?=\d+\.)/, ""));
  if (address === undefined) return false;
  const bits = address.family === 4 ? 32 : 128;
  const subnet = parseSubnet(network.includes("/") ? network : `${network}/${bits}`);
  return subnet !== undefined && contains(subnet, address.family, address.value);
}
