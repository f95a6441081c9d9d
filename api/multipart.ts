/** Parts of a multipart body as they arrive; no more is held than what was just read. */
import { concat } from "./bytes.ts";

export interface Part {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Read them to the end before asking for the next part. */
  readonly pieces: AsyncIterable<Uint8Array>;
}

const HEADER_BYTES = 16 * 1024;
const NEWLINE = new TextEncoder().encode("\r\n");

/** The body is over before its last boundary, or a header of it is out of bounds. */
export class BadMultipart extends Error {
  override readonly name = "BadMultipart";
}

/** @throws {BadMultipart} @see RFC 2046 */
export async function* partsOf(
  body: AsyncIterable<Uint8Array>,
  boundary: string,
): AsyncGenerator<Part> {
  const reader = new Reader(body);
  const delimiter = new TextEncoder().encode(`\r\n--${boundary}`);
  // What stands before the first boundary means nothing.
  for await (const _ of reader.until(delimiter));
  while (!(await reader.line()).startsWith("--")) {
    const headers: Record<string, string> = {};
    for (let line = await reader.line(), count = 0; line !== ""; line = await reader.line()) {
      if (count++ > HEADER_COUNT) throw new BadMultipart("a part has too many headers");
      const colon = line.indexOf(":");
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    yield { headers, pieces: reader.until(delimiter) };
  }
}

/** A parameter of Content-Disposition: `name`, `filename`; "" if it has none. */
export function dispositionOf(part: Part, parameter: "name" | "filename"): string {
  const pattern = new RegExp(`[;\\s]${parameter}=(?:"([^"]*)"|([^\\s;]*))`, "i");
  const [, quoted, plain] = pattern.exec(part.headers["content-disposition"] ?? "") ?? [];
  return quoted ?? plain ?? "";
}

const HEADER_COUNT = 20;

class Reader {
  readonly #source: AsyncIterator<Uint8Array>;
  /** The first boundary may have no newline before it: lend it one. */
  #held: Uint8Array = NEWLINE;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#source = body[Symbol.asyncIterator]();
  }

  /** All bytes before the mark; the mark itself is taken away. */
  async *until(mark: Uint8Array): AsyncGenerator<Uint8Array> {
    for (;;) {
      const found = find(this.#held, mark);
      if (found >= 0) {
        const last = this.#held.subarray(0, found);
        this.#held = this.#held.subarray(found + mark.length);
        if (last.length > 0) yield last;
        return;
      }
      const sure = Math.max(0, this.#held.length - mark.length + 1);
      const piece = this.#held.subarray(0, sure);
      this.#held = this.#held.subarray(sure);
      if (piece.length > 0) yield piece;
      const { value, done } = await this.#source.next();
      if (done) throw new BadMultipart("the multipart body ends before its last boundary");
      this.#held = concat([this.#held, value]);
    }
  }

  async line(): Promise<string> {
    const pieces: Uint8Array[] = [];
    let size = 0;
    for await (const piece of this.until(NEWLINE)) {
      size += piece.length;
      if (size > HEADER_BYTES) throw new BadMultipart("a header of a multipart body is too long");
      pieces.push(piece.slice());
    }
    return new TextDecoder().decode(concat(pieces));
  }
}

/** Where the mark begins; -1 if it isn't there as a whole. */
function find(bytes: Uint8Array, mark: Uint8Array): number {
  const [first = 0] = mark;
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (at + mark.length > bytes.length) return -1;
    if (mark.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}
