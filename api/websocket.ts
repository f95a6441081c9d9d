/**
 * RFC 6455, the client's side, over a Duplex: bounded, with backpressure (a frame is read only when
 * it is asked for, a write returns when the kernel has it). Large messages come in pieces.
 */
import { type ByteReader, concat, type Duplex, UnexpectedEnd, writeAll } from "./bytes.ts";

export type MessageKind = "text" | "binary";

/** Part of a message; `last` ends it. The bytes are valid until the next read. */
export interface Piece {
  readonly kind: MessageKind;
  readonly data: Uint8Array<ArrayBuffer>;
  readonly last: boolean;
}

const OP = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const PAYLOAD_AT = 16;

/** The peer broke RFC 6455. */
export class WebSocketError extends Error {
  override readonly name = "WebSocketError";
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One reader at a time; writes queue. Disposing it closes the connection without a closing handshake. */
export class WebSocketConnection implements Disposable {
  readonly #to: Duplex;
  readonly #reader: ByteReader;
  #writes: Promise<void> = Promise.resolve();
  #scratch = new Uint8Array(PAYLOAD_AT + 64 * 1024);
  #kind: MessageKind | undefined;
  #frameLeft = 0;
  #frameFinal = true;
  #sentClose = false;
  #closed = false;

  constructor(to: Duplex, reader: ByteReader) {
    this.#to = to;
    this.#reader = reader;
  }

  /** The next piece of a message; undefined once the peer closed. Answers pings on the way. */
  async read(): Promise<Piece | undefined> {
    for (;;) {
      if (this.#frameLeft > 0) return await this.#payload();
      const frame = await this.#frameHead();
      if (frame === undefined) return undefined;
      if (frame.opcode >= 8) {
        if (!await this.#control(frame.opcode, frame.size)) return undefined;
        continue;
      }
      if (frame.opcode === OP.continuation) {
        if (this.#kind === undefined) throw new WebSocketError("continuation of nothing");
      } else {
        if (this.#kind !== undefined) throw new WebSocketError("message inside a message");
        this.#kind = frame.opcode === OP.text ? "text" : "binary";
      }
      this.#frameFinal = frame.final;
      this.#frameLeft = frame.size;
      if (frame.size === 0) {
        const piece = { kind: this.#kind, data: new Uint8Array(0), last: frame.final };
        if (frame.final) this.#kind = undefined;
        return piece;
      }
    }
  }

  /** A whole message, copied; undefined once the peer closed. */
  async message(): Promise<{ kind: MessageKind; data: Uint8Array<ArrayBuffer> } | undefined> {
    const parts: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const piece = await this.read();
      if (piece === undefined) return undefined;
      size += piece.data.length;
      if (size > MAX_MESSAGE_BYTES) throw new WebSocketError("message too large");
      parts.push(piece.data.slice());
      if (piece.last) return { kind: piece.kind, data: concat(parts) };
    }
  }

  /** The next text message as JSON; undefined once the peer closed. */
  async json(): Promise<unknown> {
    const message = await this.message();
    return message === undefined ? undefined : JSON.parse(decoder.decode(message.data));
  }

  /** Send a message in one frame. Concurrent calls are sent one after the other. */
  send(data: Uint8Array | string, kind: MessageKind = "binary"): Promise<void> {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    return this.#write(kind === "text" ? OP.text : OP.binary, bytes);
  }

  /** Say goodbye; the connection itself is closed by dispose. */
  async close(code = 1000): Promise<void> {
    if (this.#sentClose) return;
    this.#sentClose = true;
    await this.#write(OP.close, new Uint8Array([code >> 8, code & 255]));
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#to.close();
  }

  #write(opcode: number, bytes: Uint8Array): Promise<void> {
    const turn = this.#writes.then(() => this.#writeFrame(opcode, bytes));
    this.#writes = turn.catch(() => {}); // Ignored: the caller of this write gets it.
    return turn;
  }

  async #writeFrame(opcode: number, bytes: Uint8Array): Promise<void> {
    if (this.#scratch.length < spaceFor(bytes)) this.#scratch = new Uint8Array(spaceFor(bytes));
    await writeAll(this.#to, encodeFrame(this.#scratch, opcode, bytes));
  }

  async #payload(): Promise<Piece> {
    const data = await this.#reader.some(this.#frameLeft);
    if (data === undefined) throw new UnexpectedEnd();
    this.#frameLeft -= data.length;
    const last = this.#frameLeft === 0 && this.#frameFinal;
    const kind = this.#kind ?? "binary";
    if (last) this.#kind = undefined;
    return { kind, data, last };
  }

  async #frameHead(): Promise<{ final: boolean; opcode: number; size: number } | undefined> {
    const first = await this.#reader.some(1);
    if (first === undefined) return undefined;
    const byte = first[0] ?? 0;
    const second = (await this.#reader.exactly(1))[0] ?? 0;
    const opcode = byte & 15;
    if ((byte & 0x70) !== 0) throw new WebSocketError("reserved bits set");
    if ((second & 0x80) !== 0) throw new WebSocketError("masked frame from the server");
    if (opcode > 2 && (opcode < 8 || opcode > 10)) throw new WebSocketError(`opcode ${opcode}`);
    const final = (byte & 0x80) !== 0;
    let size = second & 127;
    if (opcode >= 8 && (size > 125 || !final)) throw new WebSocketError("bad control frame");
    if (size === 126) {
      const bytes = await this.#reader.exactly(2);
      size = (bytes[0] ?? 0) << 8 | (bytes[1] ?? 0);
    } else if (size === 127) {
      const bytes = await this.#reader.exactly(8);
      const wide = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0);
      if (wide > BigInt(Number.MAX_SAFE_INTEGER)) throw new WebSocketError("frame too large");
      size = Number(wide);
    }
    return { final, opcode, size };
  }

  /** @returns false when the peer closed. */
  async #control(opcode: number, size: number): Promise<boolean> {
    const data = (await this.#reader.exactly(size)).slice();
    if (opcode === OP.ping) await this.#write(OP.pong, data).catch(() => {}); // Ignored: it is gone.
    if (opcode !== OP.close) return true;
    if (!this.#sentClose) {
      this.#sentClose = true;
      await this.#write(OP.close, data.subarray(0, 2)).catch(() => {}); // Ignored: it is gone.
    }
    return false;
  }
}

/** A text message in one frame. */
export function textFrame(text: string): Uint8Array<ArrayBuffer> {
  const bytes = encoder.encode(text);
  return encodeFrame(new Uint8Array(spaceFor(bytes)), OP.text, bytes);
}

function spaceFor(bytes: Uint8Array): number {
  return PAYLOAD_AT + bytes.length + 3;
}

/** @returns The part of `space` that is the masked frame. */
function encodeFrame(
  space: Uint8Array<ArrayBuffer>,
  opcode: number,
  bytes: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const size = bytes.length;
  const headSize = (size < 126 ? 2 : size < 65536 ? 4 : 10) + 4;
  const start = PAYLOAD_AT - headSize;
  space[start] = 0x80 | opcode;
  const view = new DataView(space.buffer);
  if (size < 126) space[start + 1] = 0x80 | size;
  else if (size < 65536) {
    space[start + 1] = 0x80 | 126;
    view.setUint16(start + 2, size);
  } else {
    space[start + 1] = 0x80 | 127;
    view.setBigUint64(start + 2, BigInt(size));
  }
  crypto.getRandomValues(space.subarray(PAYLOAD_AT - 4, PAYLOAD_AT));
  space.set(bytes, PAYLOAD_AT);
  mask(space, PAYLOAD_AT, size);
  return space.subarray(start, PAYLOAD_AT + size);
}

/** XOR the payload with the four bytes before it, by words: `at` is a multiple of 4. */
function mask(frame: Uint8Array<ArrayBuffer>, at: number, size: number): void {
  const words = new Uint32Array(frame.buffer, 0, Math.floor((at + size) / 4));
  const key = words[at / 4 - 1] ?? 0;
  for (let index = at / 4; index < words.length; index++) words[index]! ^= key;
  for (let index = words.length * 4; index < at + size; index++) {
    frame[index]! ^= frame[at - 4 + (index & 3)]!;
  }
}

/**
 * A key for the handshake and the answer that proves that the server understood it. One pair will
 * do: a random key guards against caches on the way, and there are none on a unix socket or inside
 * TLS; hashing a new one costs the client a thread. @see RFC 6455, 1.3 (its own example)
 */
export const HANDSHAKE = {
  key: "dGhlIHNhbXBsZSBub25jZQ==",
  accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
} as const;
