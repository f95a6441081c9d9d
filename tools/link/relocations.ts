/**
 * The relative relocations of an executable: most of what the dynamic loader does at a start. They move
 * to the entry (ffi/native/entry.c), which does them faster.
 */
import { dynamicTags, type Elf, fileOffset, PT_TLS, word } from "./elf.ts";

const DT = { relocations: 7, relocationBytes: 8, relativeCount: 0x6ffffff9 } as const;
const RELATIVE = { x86_64: 8, aarch64: 1027 } as const;
const RELOCATION_BYTES = 24;
const PAGE = 4096;
/** Of a word, behind the lowest one. */
const BITS = 63;

export interface Relocations {
  /** Which words of the program are relocated, as DT_RELR has it. */
  readonly words: BigUint64Array<ArrayBuffer>;
  /** Address and size of the pages they are in, in bytes. */
  readonly pages: number;
  readonly pageBytes: number;
}

/**
 * Take them out of the loader's table: the values that are relocated go where they belong. Changes the
 * bytes of `elf`.
 *
 * @throws if the runtime has not the expected shape.
 */
export function takeRelocations(elf: Elf): Relocations {
  const { view } = elf;
  const tags = dynamicTags(elf);
  const value = (tag: number) => word(view, tags.get(tag) ?? missing(tag));
  const count = value(DT.relativeCount);
  const first = fileOffset(elf, value(DT.relocations));
  const thread = elf.segments.find((one) => one.type === PT_TLS);
  const places: number[] = [];
  for (let index = 0; index < count; index++) {
    const at = first + index * RELOCATION_BYTES;
    const place = word(view, at);
    const inThread = thread !== undefined && place >= thread.address &&
      place < thread.address + thread.fileSize;
    if (word(view, at + 8) !== RELATIVE[elf.machine] || place % 8 !== 0 || inThread) {
      throw new Error(`relocation ${index} at ${place} is not one that the entry can do`);
    }
    view.setBigUint64(fileOffset(elf, place), view.getBigUint64(at + 16, true), true);
    places.push(place);
  }
  const put = (tag: number, number: number) =>
    view.setBigUint64(tags.get(tag) ?? missing(tag), BigInt(number), true);
  put(DT.relocations, value(DT.relocations) + count * RELOCATION_BYTES);
  put(DT.relocationBytes, value(DT.relocationBytes) - count * RELOCATION_BYTES);
  put(DT.relativeCount, 0);
  places.sort((a, b) => a - b);
  const pages = Math.floor((places[0] ?? 0) / PAGE) * PAGE;
  const pageBytes = Math.ceil(((places.at(-1) ?? 0) + 8) / PAGE) * PAGE - pages;
  return { words: encode(places), pages, pageBytes };
}

function missing(tag: number): never {
  throw new Error(`no dynamic tag ${tag}`);
}

/** An even word is an address, an odd one a map of the 63 words behind. Pure. */
export function encode(places: readonly number[]): BigUint64Array<ArrayBuffer> {
  const words: bigint[] = [];
  for (let index = 0; index < places.length;) {
    let start = places[index++] ?? 0;
    words.push(BigInt(start));
    for (start += 8;; start += BITS * 8) {
      let map = 0n;
      for (; (places[index] ?? Infinity) < start + BITS * 8; index++) {
        map |= 1n << BigInt(((places[index] ?? 0) - start) / 8 + 1);
      }
      if (map === 0n) break;
      words.push(map | 1n);
    }
  }
  return BigUint64Array.from(words);
}
