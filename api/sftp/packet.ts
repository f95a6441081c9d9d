/** Packets of the SFTP protocol, version 3, as our own helper speaks it. Pure. */

export const FXP = {
  init: 1,
  version: 2,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  lstat: 7,
  fstat: 8,
  fsetstat: 10,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  rmdir: 15,
  readlink: 19,
  symlink: 20,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attrs: 105,
  extended: 200,
} as const;

export const OPEN = {
  read: 1,
  write: 2,
  append: 4,
  create: 8,
  truncate: 16,
  exclusive: 32,
} as const;

const ATTR = { size: 1, owner: 2, mode: 4, times: 8 } as const;

/** What may be set. */
export interface Attributes {
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly mode?: number;
}

export interface Stat {
  readonly size: number;
  readonly uid: number;
  readonly gid: number;
  /** With the bits of the type. */
  readonly mode: number;
  readonly modifiedSeconds: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A field: 32 bits, text or bytes, a 64-bit number, attributes. */
export type Field = number | string | Uint8Array | { readonly wide: number } | {
  readonly attributes: Attributes;
};

/** A request with its length in front. */
export function encode(type: number, id: number, fields: readonly Field[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let head = [type, ...u32(id)];
  let size = 0;
  const flush = () => {
    parts.push(new Uint8Array(head));
    size += head.length;
    head = [];
  };
  for (const field of fields) {
    if (typeof field === "number") head.push(...u32(field));
    else if (typeof field === "string" || field instanceof Uint8Array) {
      const bytes = typeof field === "string" ? encoder.encode(field) : field;
      head.push(...u32(bytes.length));
      flush();
      parts.push(bytes);
      size += bytes.length;
    } else if ("wide" in field) head.push(...u64(field.wide));
    else head.push(...attributeBytes(field.attributes));
  }
  flush();
  return [new Uint8Array(u32(size)), ...parts];
}

function attributeBytes({ owner, mode }: Attributes): number[] {
  const flags = (owner === undefined ? 0 : ATTR.owner) | (mode === undefined ? 0 : ATTR.mode);
  return [
    ...u32(flags),
    ...owner === undefined ? [] : [...u32(owner.uid), ...u32(owner.gid)],
    ...mode === undefined ? [] : u32(mode),
  ];
}

function u32(value: number): number[] {
  return [value >>> 24 & 255, value >>> 16 & 255, value >>> 8 & 255, value & 255];
}

function u64(value: number): number[] {
  return [...u32(Math.floor(value / 2 ** 32)), ...u32(value >>> 0)];
}

/** Reads the fields of a reply. @throws RangeError if there are fewer. */
export class Fields {
  readonly #view: DataView;
  #at = 0;

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4);
  }

  u64(): number {
    return this.u32() * 2 ** 32 + this.u32();
  }

  string(): Uint8Array {
    const size = this.u32();
    this.#at += size;
    return this.bytes.subarray(this.#at - size, this.#at);
  }

  text(): string {
    return decoder.decode(this.string());
  }

  stat(): Stat {
    const flags = this.u32();
    const size = flags & ATTR.size ? this.u64() : 0;
    const [uid, gid] = flags & ATTR.owner ? [this.u32(), this.u32()] : [0, 0];
    const mode = flags & ATTR.mode ? this.u32() : 0;
    const [, modifiedSeconds] = flags & ATTR.times ? [this.u32(), this.u32()] : [0, 0];
    return { size, uid, gid, mode, modifiedSeconds };
  }
}
