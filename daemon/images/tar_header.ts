/** Fields of tar headers. Pure. @see tar(5) */
import { Fault } from "#base/errors.ts";

const latin1 = new TextDecoder("latin1");
const utf8 = new TextDecoder();

/** NUL-terminated text. */
export function textField(block: Uint8Array, offset: number, length: number): string {
  const field = block.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return utf8.decode(end === -1 ? field : field.subarray(0, end));
}

/** Octal text, or base-256 when the first bit is set. NaN if it is neither. */
export function numberField(block: Uint8Array, offset: number, length: number): number {
  const first = block[offset] ?? 0;
  if ((first & 0x80) !== 0) {
    if ((first & 0x40) !== 0) return -1; // A negative number: nothing here may be one.
    let value = first & 0x3f;
    for (let index = 1; index < length; index++) value = value * 256 + (block[offset + index] ?? 0);
    return value;
  }
  const text = latin1.decode(block.subarray(offset, offset + length)).replace(/[\0 ]+$/, "").trim();
  if (text === "") return 0;
  return /^[0-7]+$/.test(text) ? parseInt(text, 8) : NaN;
}

/**
 * Records "length key=value\n"; values that aren't UTF-8 (binary xattrs) come out mangled.
 *
 * @throws {Fault} bad_request for anything else: tar might make something of it.
 */
export function parsePax(data: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  let offset = 0;
  while (offset < data.length) {
    const space = data.indexOf(32, offset);
    const digits = space === -1 ? "" : latin1.decode(data.subarray(offset, space));
    const end = /^\d{1,9}$/.test(digits) ? offset + Number(digits) : NaN;
    const record = utf8.decode(data.subarray(space + 1, end - 1));
    const equals = record.indexOf("=");
    if (!(end > space + 1 && end <= data.length) || data[end - 1] !== 10 || equals < 1) {
      throw new Fault("bad_request", "invalid image: malformed pax header");
    }
    records.set(record.slice(0, equals), record.slice(equals + 1));
    offset = end;
  }
  return records;
}
