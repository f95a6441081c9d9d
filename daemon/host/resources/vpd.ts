/** Vital product data: what a card's maker wrote into it. Pure. @see PCI Local Bus 3.0, appendix I */

export interface Vpd {
  readonly product_name?: string;
  readonly entries?: Readonly<Record<string, string>>;
}

const NAME = 0x82;
const READ_ONLY = 0x90;
const WRITABLE = 0x91;
/** A checksum, and room that is left: no words. */
const NO_TEXT = ["RV", "RW"];

/** Large items: a tag, a length of two bytes, data. The first small one ends it. */
export function parseVpd(bytes: Uint8Array<ArrayBuffer>): Vpd {
  let name: string | undefined;
  const entries: Record<string, string> = {};
  for (let at = 0; (bytes[at] ?? 0) >= 0x80;) {
    const length = (bytes[at + 1] ?? 0) | (bytes[at + 2] ?? 0) << 8;
    const data = bytes.subarray(at + 3, at + 3 + length);
    if (bytes[at] === NAME) name = text(data);
    if (bytes[at] === READ_ONLY || bytes[at] === WRITABLE) Object.assign(entries, fields(data));
    at += 3 + length;
  }
  return {
    ...(name === undefined ? {} : { product_name: name }),
    ...(Object.keys(entries).length === 0 ? {} : { entries }),
  };
}

/** Two letters, a length of one byte, text. */
function fields(data: Uint8Array<ArrayBuffer>): Record<string, string> {
  const found: Record<string, string> = {};
  for (let at = 0; at + 3 <= data.length;) {
    const key = text(data.subarray(at, at + 2));
    const length = data[at + 2] ?? 0;
    if (!NO_TEXT.includes(key)) found[key] = text(data.subarray(at + 3, at + 3 + length));
    at += 3 + length;
  }
  return found;
}

const text = (bytes: Uint8Array<ArrayBuffer>) =>
  new TextDecoder().decode(bytes).replaceAll("\0", "").trim();
