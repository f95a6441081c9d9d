/** DNS messages, as far as zone transfers need them. Pure. @see RFC 1035, RFC 5936 */
import type { EntryType } from "#api/config/network_zone.ts";
import { formatAddress, parseAddress } from "#base/ip.ts";

export interface Question {
  readonly id: number;
  /** Lower case, without the last dot. */
  readonly name: string;
  readonly type: number;
}

export interface ResourceRecord {
  /** Without the last dot. */
  readonly name: string;
  readonly type: EntryType | "SOA";
  readonly ttl: number;
  readonly value: string;
}

export const TYPES: Readonly<Record<EntryType | "SOA" | "AXFR", number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  AXFR: 252,
};

export const RCODE = { ok: 0, format: 1, notImplemented: 4, refused: 5 } as const;

export const HEADER_BYTES = 12;
const CLASS_IN = 1;
const MAX_LABEL = 63;
const TXT_PIECE = 255;

/** undefined: not one plain question. */
export function parseQuestion(message: Uint8Array): Question | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const isQuery = (view.getUint16(2) & 0xf800) === 0;
  if (!isQuery || view.getUint16(4) !== 1) return undefined;
  const read = readName(message, HEADER_BYTES);
  if (read === undefined) return undefined;
  const { name, end } = read;
  if (end + 4 > message.length || view.getUint16(end + 2) !== CLASS_IN) return undefined;
  return { id: view.getUint16(0), name, type: view.getUint16(end) };
}

/** A name that is written out, in lower case, and where it ends; undefined: none, or with pointers. */
export function readName(
  message: Uint8Array,
  start: number,
): { readonly name: string; readonly end: number } | undefined {
  const labels: string[] = [];
  for (let at = start;;) {
    const length = message[at];
    if (length === undefined || length > MAX_LABEL) return undefined;
    at++;
    if (length === 0) return { name: labels.join(".").toLowerCase(), end: at };
    if (at + length > message.length) return undefined;
    labels.push(new TextDecoder("latin1").decode(message.subarray(at, at + length)));
    at += length;
  }
}

/** An authoritative answer. */
export function formatAnswer(
  question: Question,
  rcode: number,
  records: readonly ResourceRecord[],
): Uint8Array {
  const parts = [
    uint16(question.id, 0x8400 | rcode, 1, records.length, 0, 0),
    encodeName(question.name),
    uint16(question.type, CLASS_IN),
    ...records.flatMap(encodeRecord),
  ];
  return join(parts);
}

function encodeRecord({ name, type, ttl, value }: ResourceRecord): Uint8Array[] {
  const data = encodeData(type, value);
  return [
    encodeName(name),
    uint16(TYPES[type], CLASS_IN, ttl >>> 16, ttl & 0xffff, data.length),
    data,
  ];
}

function encodeData(type: ResourceRecord["type"], value: string): Uint8Array {
  const words = value.split(" ");
  switch (type) {
    case "A":
    case "AAAA":
      return encodeAddress(value);
    case "MX":
      return join([uint16(Number(words[0])), encodeName(words[1] ?? "")]);
    case "SRV":
      return join([uint16(...words.slice(0, 3).map(Number)), encodeName(words[3] ?? "")]);
    case "TXT":
      return encodeText(value);
    case "SOA":
      return join([
        encodeName(words[0] ?? ""),
        encodeName(words[1] ?? ""),
        ...words.slice(2).map((word) => uint16(Number(word) >>> 16, Number(word) & 0xffff)),
      ]);
    default:
      return encodeName(value);
  }
}

function encodeAddress(text: string): Uint8Array {
  const parsed = parseAddress(text);
  const bytes = parsed?.family === 6 ? 16 : 4;
  const value = parsed?.value ?? 0n;
  return Uint8Array.from(
    { length: bytes },
    (_, index) => Number((value >> BigInt(8 * (bytes - 1 - index))) & 255n),
  );
}

function encodeText(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text.replace(/^"(.*)"$/s, "$1"));
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length || at === 0; at += TXT_PIECE) {
    const piece = bytes.subarray(at, at + TXT_PIECE);
    parts.push(Uint8Array.of(piece.length), piece);
  }
  return join(parts);
}

/** Never compressed. A final dot may be there or not. */
export function encodeName(name: string): Uint8Array {
  const labels = name.replace(/\.$/, "").split(".").filter((label) => label !== "");
  const encoder = new TextEncoder();
  return join([
    ...labels.flatMap((label) => {
      const bytes = encoder.encode(label).subarray(0, MAX_LABEL);
      return [Uint8Array.of(bytes.length), bytes];
    }),
    Uint8Array.of(0),
  ]);
}

/** In network order. */
export function uint16(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 2));
  values.forEach((value, index) => view.setUint16(index * 2, value));
  return new Uint8Array(view.buffer);
}

/** Copies them into one. */
export function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** "192.0.2.42" -> "42.2.0.192.in-addr.arpa" */
export function reverseName(address: string): string {
  const parsed = parseAddress(address);
  if (parsed === undefined) return "";
  if (parsed.family === 4) {
    return `${formatAddress(4, parsed.value).split(".").reverse().join(".")}.in-addr.arpa`;
  }
  const digits = parsed.value.toString(16).padStart(32, "0");
  return `${[...digits].reverse().join(".")}.ip6.arpa`;
}
