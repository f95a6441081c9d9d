/** Tar archives made byte by byte, so that tests can lie in every field. @see tar(5) */

const BLOCK = 512;
const encoder = new TextEncoder();

export interface TarMember {
  readonly name: string;
  /** "0" file, "1" hard link, "2" symlink, "3" char, "4" block, "5" directory, "6" fifo, "x", "L" ... */
  readonly type?: string;
  readonly link?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly device?: readonly [major: number, minor: number];
  readonly body?: string | Uint8Array;
  /** What the size field says; default: the length of the body. Text is written as it is. */
  readonly size?: number | string;
  readonly prefix?: string;
  readonly breakChecksum?: true;
}

export const END = new Uint8Array(2 * BLOCK);

/** A header and its padded body. */
export function member(entry: TarMember): Uint8Array {
  const body = typeof entry.body === "string" ? encoder.encode(entry.body) : entry.body;
  const length = body?.length ?? 0;
  const blocks = new Uint8Array(BLOCK + Math.ceil(length / BLOCK) * BLOCK);
  const put = (offset: number, text: string) => blocks.set(encoder.encode(text), offset);
  const octal = (offset: number, digits: number, value: number) =>
    put(offset, value.toString(8).padStart(digits, "0"));
  put(0, entry.name);
  octal(100, 7, entry.mode ?? (entry.type === "5" ? 0o755 : 0o644));
  octal(108, 7, entry.uid ?? 0);
  octal(116, 7, entry.uid ?? 0);
  const size = entry.size ?? length;
  if (typeof size === "string") put(124, size);
  else octal(124, 11, size);
  octal(136, 11, 1_700_000_000);
  put(156, entry.type ?? "0");
  put(157, entry.link ?? "");
  put(257, "ustar\0" + "00");
  octal(329, 7, entry.device?.[0] ?? 0);
  octal(337, 7, entry.device?.[1] ?? 0);
  put(345, entry.prefix ?? "");
  if (body !== undefined) blocks.set(body, BLOCK);
  sign(blocks, entry.breakChecksum === true ? 1 : 0);
  return blocks;
}

/** Write the checksum of the header at the start of `blocks`. */
export function sign(blocks: Uint8Array, lie = 0): void {
  blocks.fill(32, 148, 156);
  const sum = blocks.subarray(0, BLOCK).reduce((total, byte) => total + byte, 0);
  blocks.set(encoder.encode((sum + lie).toString(8).padStart(6, "0") + "\0 "), 148);
}

/** A pax header for the next member (or all, with type "g"). */
export function pax(records: Readonly<Record<string, string>>, type: "x" | "g" = "x"): Uint8Array {
  const body = Object.entries(records).map(([key, value]) => paxRecord(key, value)).join("");
  return member({ name: "pax", type, body });
}

/** The length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = encoder.encode(` ${key}=${value}\n`).length;
  let length = rest + 1;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return `${length} ${key}=${value}\n`;
}

/** A GNU header that gives the next member a long name ("L") or link target ("K"). */
export function gnuLong(type: "L" | "K", text: string): Uint8Array {
  return member({ name: "././@LongLink", type, body: `${text}\0` });
}

/** Members and the end marker; `end: false` leaves it out. */
export function archive(
  parts: readonly (TarMember | Uint8Array)[],
  options: { readonly end?: boolean } = {},
): Uint8Array<ArrayBuffer> {
  const blocks = parts.map((part) => part instanceof Uint8Array ? part : member(part));
  if (options.end !== false) blocks.push(END);
  return joined(blocks);
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}
