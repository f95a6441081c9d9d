/**
 * Policy for tar archives from strangers: sees every header before the program that unpacks does.
 * It refuses what could escape or overflow, and leaves out device nodes that could surprise.
 * The unpacking itself is GNU tar's, confined to the target directory. Pure: bytes in, bytes out.
 *
 * @see tar(5): ustar, GNU long names (L, K) and pax headers (x, g).
 */
import { Fault } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { numberField, parsePax, textField } from "./tar_header.ts";

const BLOCK = 512;
const EXTENSION_TYPES = "LKxgXV";
const EXTENSION_BYTES_MAX = 1024 * 1024;

/** Character devices that images may carry: major:minor of null, zero, full, random, urandom, tty, console, ptmx. */
const HARMLESS_NODES = new Set(["1:3", "1:5", "1:7", "1:8", "1:9", "5:0", "5:1", "5:2"]);

export interface TarEntry {
  /** Without leading "./" and "/". */
  readonly name: string;
  readonly type: string;
  readonly linkname: string;
  readonly size: number;
}

export interface TarFilterOptions {
  /** Bytes of file data that may be unpacked in all. */
  readonly bytesMax: number;
  readonly entriesMax?: number;
  /** Entries for which it is false are left out, with their data. */
  readonly accept?: (name: string) => boolean;
  /** Called for each entry that passes. `body` collects its data if it asks for it by returning true. */
  readonly onEntry?: (entry: TarEntry) => boolean;
  readonly onBody?: (entry: TarEntry, data: Uint8Array) => void;
}

/** Feeds on the archive in pieces of any size. */
export class TarFilter {
  readonly #options: TarFilterOptions;
  #buffer: Uint8Array[] = [];
  #buffered = 0;
  /** Blocks of extension headers that belong to the next entry. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #pax: ReadonlyMap<string, string> = new Map();
  #globalPax: ReadonlyMap<string, string> = new Map();
  #longName: string | undefined;
  #longLink: string | undefined;
  /** Padded bytes of the current body still to come. */
  #bodyLeft = 0;
  /** The current body belongs to an entry that is left out. */
  #isDropped = false;
  /** More sparse-map blocks of an old GNU sparse header follow. */
  #sparseMapFollows = false;
  #collect: { entry: TarEntry; chunks: Uint8Array[]; left: number } | undefined;
  #entries = 0;
  #bytes = 0;
  #ended = false;

  constructor(options: TarFilterOptions) {
    this.#options = options;
  }

  /** The archive's end marker has been seen. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Pass a piece on; returns what may go to tar.
   *
   * @throws {Fault} bad_request if the archive is hostile or broken.
   */
  push(piece: Uint8Array): Uint8Array[] {
    const out: Uint8Array[] = [];
    this.#buffer.push(piece);
    this.#buffered += piece.length;
    for (;;) {
      if (this.#bodyLeft > 0 && !this.#sparseMapFollows) {
        if (this.#buffered === 0) return out;
        const data = this.#take(Math.min(this.#bodyLeft, this.#buffer[0]?.length ?? 0));
        this.#bodyLeft -= data.length;
        this.#collectBody(data);
        if (!this.#isDropped) out.push(data);
      } else if (this.#sparseMapFollows) {
        if (this.#buffered < BLOCK) return out;
        const map = this.#take(BLOCK);
        if (!this.#isDropped) out.push(map);
        this.#sparseMapFollows = map[504] !== 0;
      } else {
        const header = this.#nextHeader();
        if (header === undefined) return out;
        this.#header(header, out);
      }
    }
  }

  /** The archive is over. @throws {Fault} bad_request if it stops in the middle. */
  end(): void {
    const isInside = this.#bodyLeft > 0 || this.#sparseMapFollows || this.#pending.length > 0;
    if (isInside || (this.#buffered > 0 && !this.#ended)) throw broken("the archive is truncated");
    if (!this.#ended && this.#entries === 0) throw broken("the archive is empty");
  }

  #nextHeader(): Uint8Array | undefined {
    if (this.#buffered < BLOCK) return undefined;
    const block = this.#peek(BLOCK);
    const size = numberField(block, 124, 12);
    const type = String.fromCharCode(block[156] ?? 0);
    if (!EXTENSION_TYPES.includes(type)) return this.#take(BLOCK);
    // Believed only with its checksum: the size decides how much is waited for.
    if (!checksumHolds(block)) throw broken("a header has a wrong checksum");
    if (!isSize(size)) throw broken("an extension header has an impossible size");
    if (size > EXTENSION_BYTES_MAX) throw broken("an extension header is too large");
    const whole = BLOCK + padded(size);
    return this.#buffered < whole ? undefined : this.#take(whole);
  }

  #header(block: Uint8Array, out: Uint8Array[]): void {
    if (block.subarray(0, BLOCK).every((byte) => byte === 0)) {
      this.#ended = true;
      out.push(block);
      return;
    }
    if (this.#ended) throw broken("data follows the end of the archive");
    if (!checksumHolds(block)) throw broken("a header has a wrong checksum");
    const type = String.fromCharCode(block[156] ?? 0);
    if (EXTENSION_TYPES.includes(type)) return this.#extension(type, block);

    const entry = this.#entry(block, type);
    this.#check(entry);
    const keep = this.#isWanted(entry, block);
    if (keep) out.push(...this.#pending, block);
    this.#isDropped = !keep;
    this.#forgetExtensions();
    this.#bodyLeft = padded(hasBody(type) ? entry.size : 0);
    this.#sparseMapFollows = type === "S" && block[482] !== 0;
    if (keep && this.#options.onEntry?.(entry) === true) {
      this.#collect = { entry, chunks: [], left: entry.size };
      this.#collectBody(new Uint8Array());
    }
  }

  #extension(type: string, block: Uint8Array): void {
    const data = block.subarray(BLOCK, BLOCK + numberField(block, 124, 12));
    if (type === "L") this.#longName = textField(data, 0, data.length);
    if (type === "K") this.#longLink = textField(data, 0, data.length);
    if (type === "x" || type === "X") this.#pax = parsePax(data);
    if (type === "g") this.#globalPax = new Map([...this.#globalPax, ...parsePax(data)]);
    this.#pendingBytes += block.length;
    if (this.#pendingBytes > 4 * EXTENSION_BYTES_MAX) throw broken("too many extension headers");
    this.#pending.push(block);
  }

  #forgetExtensions(): void {
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#pax = new Map();
    this.#longName = undefined;
    this.#longLink = undefined;
  }

  #entry(block: Uint8Array, type: string): TarEntry {
    const pax = (key: string) => this.#pax.get(key) ?? this.#globalPax.get(key);
    const isUstar = textField(block, 257, 6).startsWith("ustar") && block[262] === 0;
    const prefix = isUstar ? textField(block, 345, 155) : "";
    const short = textField(block, 0, 100);
    const name = pax("GNU.sparse.name") ?? pax("path") ?? this.#longName ??
      (prefix === "" ? short : `${prefix}/${short}`);
    const linkname = pax("linkpath") ?? this.#longLink ?? textField(block, 157, 100);
    const sizeText = pax("size");
    const size = sizeText === undefined
      ? numberField(block, 124, 12)
      : /^\d+$/.test(sizeText)
      ? Number(sizeText)
      : NaN;
    return { name: name.replace(/^(\.?\/)+/, ""), type, linkname, size };
  }

  #check(entry: TarEntry): void {
    this.#entries++;
    if (this.#entries > (this.#options.entriesMax ?? LIMITS.imageEntries)) {
      throw broken(`it has more than ${this.#entries - 1} entries`);
    }
    if (`${entry.name}${entry.linkname}`.includes("\0")) throw broken("a name has a NUL byte");
    if (!isSize(entry.size)) {
      throw broken(`entry "${entry.name}" has an impossible size`);
    }
    if (climbs(entry.name)) throw broken(`entry "${entry.name}" leaves the image`);
    if (entry.type === "1" && climbs(entry.linkname.replace(/^(\.?\/)+/, ""))) {
      throw broken(`hard link "${entry.name}" points out of the image`);
    }
    this.#bytes += hasBody(entry.type) ? entry.size : 0;
    if (this.#bytes > this.#options.bytesMax) {
      throw new Fault("no_space", "cannot unpack image: it is larger than the space that is left", {
        hint: "Free some space, or use another storage pool.",
      });
    }
  }

  #isWanted(entry: TarEntry, block: Uint8Array): boolean {
    if (entry.type === "4" || this.#options.accept?.(entry.name) === false) return false;
    if (entry.type !== "3") return true;
    return HARMLESS_NODES.has(`${numberField(block, 329, 8)}:${numberField(block, 337, 8)}`);
  }

  #collectBody(data: Uint8Array): void {
    const collect = this.#collect;
    if (collect === undefined) return;
    const wanted = data.subarray(0, collect.left);
    if (wanted.length > 0) collect.chunks.push(wanted.slice());
    collect.left -= wanted.length;
    if (collect.left > 0) return;
    this.#collect = undefined;
    this.#options.onBody?.(collect.entry, concat(collect.chunks));
  }

  #peek(length: number): Uint8Array {
    const first = this.#buffer[0];
    if (first !== undefined && first.length >= length) return first.subarray(0, length);
    const all = concat(this.#buffer);
    this.#buffer = [all];
    return all.subarray(0, length);
  }

  #take(length: number): Uint8Array {
    const taken = this.#peek(length);
    const first = this.#buffer[0] ?? new Uint8Array();
    if (first.length === length) this.#buffer.shift();
    else this.#buffer[0] = first.subarray(length);
    this.#buffered -= length;
    return taken;
  }
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  if (chunks.length === 1 && chunks[0] !== undefined) return chunks[0];
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

function isSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 0;
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

/** Links, devices, directories and fifos have no data, whatever their size field says. */
function hasBody(type: string): boolean {
  return !"123456".includes(type);
}

function climbs(path: string): boolean {
  return path.split("/").includes("..");
}

/** The sum of all header bytes, the checksum field counted as spaces. */
function checksumHolds(block: Uint8Array): boolean {
  let sum = 0;
  for (let index = 0; index < BLOCK; index++) {
    sum += index >= 148 && index < 156 ? 32 : block[index] ?? 0;
  }
  return sum === numberField(block, 148, 8);
}

function broken(why: string): Fault {
  return new Fault("bad_request", `invalid image: ${why}`);
}
