/** A connection as the client sees it, and a buffered reader over one. */

/** Reads and writes bytes: Deno.Conn, or a TLS socket wrapped as one. */
export interface Duplex {
  /** @returns how many bytes were read, null at the end. */
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

/** The other side closed the connection in the middle of something. */
export class UnexpectedEnd extends Error {
  constructor() {
    super("connection closed by the server in the middle of a reply");
    this.name = "UnexpectedEnd";
  }
}

const BUFFER_BYTES = 256 * 1024;

/** Buffered reading. Views that it hands out are valid until the next call. */
export class ByteReader {
  readonly #source: Pick<Duplex, "read">;
  #buffer: Uint8Array<ArrayBuffer>;
  #start = 0;
  #end = 0;

  constructor(source: Pick<Duplex, "read">, bufferBytes = BUFFER_BYTES) {
    this.#source = source;
    this.#buffer = new Uint8Array(bufferBytes);
  }

  /** Bytes that are here already. */
  get buffered(): number {
    return this.#end - this.#start;
  }

  /** At least one byte, at most `max`; undefined at the end. */
  async some(max: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.buffered === 0 && !await this.#fill()) return undefined;
    const size = Math.min(max, this.buffered);
    const view = this.#buffer.subarray(this.#start, this.#start + size);
    this.#start += size;
    return view;
  }

  /** Exactly `size` bytes (at most the buffer's size). @throws {UnexpectedEnd} */
  async exactly(size: number): Promise<Uint8Array<ArrayBuffer>> {
    if (size > this.#buffer.length) throw new RangeError(`${size} bytes exceed the buffer`);
    while (this.buffered < size) if (!await this.#fill()) throw new UnexpectedEnd();
    const view = this.#buffer.subarray(this.#start, this.#start + size);
    this.#start += size;
    return view;
  }

  /**
   * One line without its CR LF (or LF).
   * @returns undefined when the connection ends before the first byte.
   * @throws {UnexpectedEnd} in the middle of a line; {RangeError} if it exceeds `limit` bytes.
   */
  async line(limit: number): Promise<string | undefined> {
    let searched = 0;
    for (;;) {
      const index = this.#buffer.subarray(this.#start + searched, this.#end).indexOf(10);
      if (index >= 0) {
        const size = searched + index;
        if (size > limit) throw new RangeError(`line of more than ${limit} bytes`);
        const text = latin1(this.#buffer.subarray(this.#start, this.#start + size));
        this.#start += size + 1;
        return text.endsWith("\r") ? text.slice(0, -1) : text;
      }
      searched = this.buffered;
      if (searched > limit) throw new RangeError(`line of more than ${limit} bytes`);
      if (!await this.#fill()) {
        if (searched === 0) return undefined;
        throw new UnexpectedEnd();
      }
    }
  }

  async #fill(): Promise<boolean> {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    else if (this.#end === this.#buffer.length) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const count = await this.#source.read(this.#buffer.subarray(this.#end));
    if (count === null || count === 0) return false;
    this.#end += count;
    return true;
  }
}

const LATIN1 = new TextDecoder("latin1");
const latin1 = (bytes: Uint8Array) => LATIN1.decode(bytes);

/** Write all of `bytes`. */
export async function writeAll(target: Pick<Duplex, "write">, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length;) {
    offset += await target.write(offset === 0 ? bytes : bytes.subarray(offset));
  }
}

/** One array of all parts. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
