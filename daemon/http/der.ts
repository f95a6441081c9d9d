/** The little of DER that certificates and revocation lists need. Pure. @see X.690 */

export interface DerValue {
  readonly tag: number;
  /** Of the whole value, with its head. */
  readonly bytes: Uint8Array;
  readonly content: Uint8Array;
}

export const TAG = { integer: 0x02, bitString: 0x03, oid: 0x06, sequence: 0x30 } as const;

/** The values that stand one after the other. @throws if they are cut off. */
export function parseDer(data: Uint8Array): DerValue[] {
  const values: DerValue[] = [];
  let offset = 0;
  while (offset < data.length) {
    const tag = data[offset] ?? 0;
    const first = data[offset + 1];
    if (first === undefined) throw new Error("invalid DER: cut off");
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
    if (first === 0x80 || lengthBytes > 4) throw new Error("invalid DER: bad length");
    let length = lengthBytes === 0 ? first : 0;
    for (let index = 0; index < lengthBytes; index++) {
      length = length * 256 + (data[offset + 2 + index] ?? 0);
    }
    const start = offset + 2 + lengthBytes;
    const end = start + length;
    if (end > data.length) throw new Error("invalid DER: cut off");
    const bytes = data.subarray(offset, end);
    values.push({ tag, bytes, content: data.subarray(start, end) });
    offset = end;
  }
  return values;
}

/** The values inside a constructed one. @throws if there is none of that tag. */
export function insideOf(value: DerValue | undefined, tag: number): DerValue[] {
  if (value?.tag !== tag) throw new Error("invalid DER: another type was expected");
  return parseDer(value.content);
}

/** Lower-case hex of an INTEGER, without leading zeros. */
export function hexOf(value: DerValue): string {
  return Buffer.from(value.content).toString("hex").replace(/^(00)+(?=..)/, "");
}
