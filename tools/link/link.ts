/**
 * Stock runtime + payload -> one executable. The file gets one more loadable segment (its last PT_NOTE
 * becomes a PT_LOAD) that holds the entry code, the injected arguments and variables, and the payload.
 */
import { bootText, dataUrl, DROPPED, INJECTED, KEPT, type PayloadSizes } from "./boot.ts";
import {
  type Elf,
  environSlot,
  parseElf,
  PT_LOAD,
  PT_NOTE,
  SECTION_HEADER_BYTES,
  word,
} from "./elf.ts";
import { type Relocations, takeRelocations } from "./relocations.ts";

export interface Payload {
  /** Parts of the client of which one is evaluated at a start. */
  readonly exec: Uint8Array;
  readonly common: Uint8Array;
  /** The whole client. */
  readonly whole: Uint8Array;
  readonly daemon: Uint8Array;
  readonly cache: Uint8Array;
  readonly helper: Uint8Array;
}

export interface LinkInput {
  /** The runtime's executable. */
  readonly runtime: Uint8Array;
  /** Machine code of ffi/native/entry.c. */
  readonly entry: Uint8Array;
  readonly payload: Payload;
  /** Let the program save the daemon's code cache (first pass of a build). */
  readonly saveCache?: boolean;
}

const FLAGS = [
  "run",
  "-A",
  "--no-config",
  "--no-lock",
  "--no-code-cache",
  // Else V8 parses a whole bundle again at the first error that is made, to find its places; and
  // daemon/host/frugal.ts collects the buffers of large streams.
  "--v8-flags=--no-enable-lazy-source-positions,--expose-gc",
  "--node-modules-dir=none",
  "--cached-only",
  "--no-remote",
  "--no-npm",
];
const TABLE_BYTES = 72;
const PAGE = 4096;

/** The linked executable. @throws if the runtime has not the expected shape. */
export function link(input: LinkInput): Uint8Array {
  const elf = parseElf(input.runtime.slice());
  const slot = environSlot(elf);
  const relocations = takeRelocations(elf);
  const loads = elf.segments.filter((one) => one.type === PT_LOAD);
  const note = elf.segments.findLast((one) => one.type === PT_NOTE);
  const last = loads.at(-1);
  if (note === undefined || last === undefined || note.at < last.at) {
    throw new Error("no PT_NOTE behind the PT_LOADs");
  }
  const alignment = Math.max(...loads.map((one) => one.alignment));
  const address = roundUp(Math.max(...loads.map((one) => one.address + one.memorySize)), alignment);
  const offset = roundUp(input.runtime.length, alignment);
  const segment = makeSegment(input, { entry: elf.entry, slot, address, relocations });
  return assemble(elf, { note: note.at, offset, address, alignment, segment });
}

interface Start {
  /** Addresses: of the runtime's own entry, of the slot of `environ`, of the segment. */
  readonly entry: number;
  readonly slot: number;
  readonly address: number;
  readonly relocations: Relocations;
}

/** Entry code, table, strings, relocations, payload. */
function makeSegment(
  input: LinkInput,
  { entry, slot, address, relocations }: Start,
): Uint8Array {
  const { exec, common, whole, daemon, cache, helper } = input.payload;
  const sizes: PayloadSizes = {
    exec: exec.length,
    common: common.length,
    whole: whole.length,
    daemon: daemon.length,
    cache: cache.length,
    helper: helper.length,
  };
  const table = input.entry.length;
  // The boot text names the payload's offset, whose digits are part of the strings: settle it.
  let payloadAt = 0;
  let wordsAt = 0;
  let strings = new Uint8Array();
  for (let round = 0; round < 3; round++) {
    strings = joinStrings(argumentsFor(payloadAt, sizes, input.saveCache ?? false));
    wordsAt = roundUp(table + TABLE_BYTES + strings.length, 8);
    payloadAt = roundUp(wordsAt + relocations.words.byteLength, PAGE);
  }
  const parts = [exec, common, whole, daemon, cache, helper];
  const segment = new Uint8Array(payloadAt + parts.reduce((sum, part) => sum + part.length, 0));
  const view = new DataView(segment.buffer);
  segment.set(input.entry);
  const relative = (target: number) => BigInt(target - (address + table));
  view.setBigInt64(table, relative(entry), true);
  view.setBigInt64(table + 8, relative(slot), true);
  const { words, pages, pageBytes } = relocations;
  const counts = [FLAGS.length + 2, INJECTED.length, TABLE_BYTES, DROPPED.length, KEPT.length];
  [...counts, words.length].forEach((count, index) =>
    view.setUint32(table + 16 + index * 4, count, true)
  );
  [relative(0), BigInt(wordsAt - table), BigInt(pages), BigInt(pageBytes)].forEach(
    (value, index) => view.setBigInt64(table + 40 + index * 8, value, true),
  );
  segment.set(strings, table + TABLE_BYTES);
  segment.set(new Uint8Array(words.buffer), wordsAt);
  let at = payloadAt;
  for (const part of parts) {
    segment.set(part, at);
    at += part.length;
  }
  return segment;
}

/** argv[0] is forced too: the runtime behaves differently under some names. */
function argumentsFor(payloadAt: number, sizes: PayloadSizes, saveCache: boolean): string[] {
  const boot = dataUrl(bootText(payloadAt, sizes, saveCache));
  return ["deno", ...FLAGS, boot, ...INJECTED, ...DROPPED, ...KEPT];
}

function joinStrings(strings: readonly string[]): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(strings.map((one) => one + "\0").join(""));
}

interface Placement {
  /** Offset of the program header that is converted. */
  readonly note: number;
  readonly offset: number;
  readonly address: number;
  readonly alignment: number;
  readonly segment: Uint8Array;
}

/** The section headers move to the end and get one more, so that strip and objcopy keep the segment. */
function assemble(elf: Elf, placement: Placement): Uint8Array {
  const { note, offset, address, alignment, segment } = placement;
  const { sectionHeaders: sections, view: old, bytes } = elf;
  const namesHeader = sections.offset + sections.names * SECTION_HEADER_BYTES;
  const names = bytes.subarray(
    word(old, namesHeader + 24),
    word(old, namesHeader + 24) + word(old, namesHeader + 32),
  );
  const newName = new TextEncoder().encode(".lxd\0");
  const headersAt = roundUp(offset + segment.length, 16);
  const namesAt = headersAt + (sections.count + 1) * SECTION_HEADER_BYTES;
  const out = new Uint8Array(namesAt + names.length + newName.length);
  const view = new DataView(out.buffer);
  out.set(bytes);
  out.set(segment, offset);

  const size = segment.length;
  put(view, note, [4, PT_LOAD], [4, 5], [8, offset], [8, address], [8, address], [8, size], [
    8,
    size,
  ], [
    8,
    alignment,
  ]);
  const headers = bytes.subarray(
    sections.offset,
    sections.offset + sections.count * SECTION_HEADER_BYTES,
  );
  out.set(headers, headersAt);
  // Type PROGBITS, flags ALLOC|EXECINSTR.
  put(
    view,
    headersAt + headers.length,
    [4, names.length],
    [4, 1],
    [8, 6],
    [8, address],
    [8, offset],
    [8, size],
    [4, 0],
    [4, 0],
    [8, 16],
    [8, 0],
  );
  out.set(names, namesAt);
  out.set(newName, namesAt + names.length);
  const newNamesHeader = headersAt + sections.names * SECTION_HEADER_BYTES;
  put(view, newNamesHeader + 24, [8, namesAt], [8, names.length + newName.length]);
  view.setBigUint64(24, BigInt(address), true);
  view.setBigUint64(40, BigInt(headersAt), true);
  view.setUint16(60, sections.count + 1, true);
  return out;
}

function put(
  view: DataView,
  offset: number,
  ...values: (readonly [size: 4 | 8, value: number])[]
): void {
  let at = offset;
  for (const [size, value] of values) {
    if (size === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += size;
  }
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
