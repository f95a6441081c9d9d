/** Reads the parts of a 64-bit little-endian ELF file that the linker needs. @see elf(5) */

export interface Segment {
  /** Offset of its program header in the file. */
  readonly at: number;
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly alignment: number;
}

export const PT_LOAD = 1;
export const PT_DYNAMIC = 2;
export const PT_NOTE = 4;
export const PT_TLS = 7;
const EM_X86_64 = 62;
const EM_AARCH64 = 183;
const ET_DYN = 3;
export const PROGRAM_HEADER_BYTES = 56;
export const SECTION_HEADER_BYTES = 64;

export interface Elf {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly machine: "x86_64" | "aarch64";
  readonly entry: number;
  readonly segments: readonly Segment[];
  readonly sectionHeaders: {
    readonly offset: number;
    readonly count: number;
    readonly names: number;
  };
}

/** @throws if it is not a position-independent executable for a machine that we know. */
export function parseElf(bytes: Uint8Array): Elf {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isElf = view.getUint32(0) === 0x7f454c46 && bytes[4] === 2 && bytes[5] === 1;
  if (!isElf || view.getUint16(16, true) !== ET_DYN) {
    throw new Error("not a 64-bit little-endian position-independent executable");
  }
  const code = view.getUint16(18, true);
  const machine = code === EM_X86_64 ? "x86_64" : code === EM_AARCH64 ? "aarch64" : undefined;
  if (machine === undefined) throw new Error(`unknown machine ${code}`);
  const start = word(view, 32);
  const segments = Array.from({ length: view.getUint16(56, true) }, (_, index) => {
    const at = start + index * PROGRAM_HEADER_BYTES;
    return {
      at,
      type: view.getUint32(at, true),
      offset: word(view, at + 8),
      address: word(view, at + 16),
      fileSize: word(view, at + 32),
      memorySize: word(view, at + 40),
      alignment: word(view, at + 48),
    };
  });
  return {
    bytes,
    view,
    machine,
    entry: word(view, 24),
    segments,
    sectionHeaders: {
      offset: word(view, 40),
      count: view.getUint16(60, true),
      names: view.getUint16(62, true),
    },
  };
}

export function word(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}

/** Offset in the file of an address in memory. */
export function fileOffset(elf: Elf, address: number): number {
  const segment = elf.segments.find((one) =>
    one.type === PT_LOAD && address >= one.address && address < one.address + one.fileSize
  );
  if (segment === undefined) throw new Error(`address ${address} is not in the file`);
  return address - segment.address + segment.offset;
}

const DT = { strings: 5, symbols: 6, relocations: 7, relocationBytes: 8 } as const;
const GLOB_DAT = { x86_64: 6, aarch64: 1025 } as const;

/** Tag of the dynamic section -> offset of its value in the file. */
export function dynamicTags(elf: Elf): ReadonlyMap<number, number> {
  const { view } = elf;
  const dynamic = elf.segments.find((one) => one.type === PT_DYNAMIC);
  if (dynamic === undefined) throw new Error("no dynamic section");
  const tags = new Map<number, number>();
  for (let at = dynamic.offset; word(view, at) !== 0; at += 16) {
    if (!tags.has(word(view, at))) tags.set(word(view, at), at + 8);
  }
  return tags;
}

/** Address of the GOT slot through which libc's `environ` is reached. */
export function environSlot(elf: Elf): number {
  const { view } = elf;
  const tags = dynamicTags(elf);
  const tag = (number: number) => word(view, tags.get(number) ?? 0);
  const strings = fileOffset(elf, tag(DT.strings));
  const symbols = fileOffset(elf, tag(DT.symbols));
  const first = fileOffset(elf, tag(DT.relocations));
  for (let at = first; at < first + tag(DT.relocationBytes); at += 24) {
    if (view.getUint32(at + 8, true) !== GLOB_DAT[elf.machine]) continue;
    const symbol = symbols + view.getUint32(at + 12, true) * 24;
    const name = strings + view.getUint32(symbol, true);
    const text = new TextDecoder().decode(elf.bytes.subarray(name, name + 8));
    if (text === "environ\0") return word(view, at);
  }
  throw new Error("no slot for environ");
}
