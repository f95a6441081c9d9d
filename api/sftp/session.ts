/** Requests of SFTP, version 3, and their replies in any order; what carries them is for others to say. */
import { concat } from "#api/bytes.ts";
import { encode, type Field, Fields, FXP } from "./packet.ts";

const REASONS: Readonly<Record<string, string>> = {
  "Operation not supported": "not a regular file",
  "Invalid argument": "the instance does not have this user or group id",
};

/** The file system said no. `text` is the kernel's word, e.g. "Is a directory". */
export class FileError extends Error {
  override readonly name = "FileError";

  constructor(readonly text: string) {
    super(text);
  }

  /** The same for people. */
  get reason(): string {
    return REASONS[this.text] ?? this.text.toLowerCase();
  }
}

interface Reply {
  readonly type: number;
  readonly fields: Fields;
}

const STATUS_OK = 0;
const STATUS_EOF = 1;

/** Many may ask at once; how many bytes wait for an answer is for the callers to bound. */
export abstract class SftpSession {
  readonly #waiting = new Map<number, PromiseWithResolvers<Reply>>();
  readonly #chunks: Uint8Array[] = [];
  #buffered = 0;
  #nextId = 1;
  #isOver = false;

  /** Send a request, all of it or nothing. */
  protected abstract write(parts: readonly Uint8Array[]): void;
  /** Why nothing is answered any more. */
  protected abstract gone(): Error;

  get isOver(): boolean {
    return this.#isOver;
  }

  /** @throws {FileError} what the status says. @returns undefined at the end of a file or directory. */
  async ask(type: number, ...fields: readonly Field[]): Promise<Reply | undefined> {
    if (this.#isOver) throw this.gone();
    const id = this.#nextId++;
    const reply = Promise.withResolvers<Reply>();
    this.#waiting.set(id, reply);
    this.write(encode(type, id, fields));
    const found = await reply.promise;
    if (found.type !== FXP.status) return found;
    const code = found.fields.u32();
    if (code === STATUS_OK) return found;
    if (code === STATUS_EOF) return undefined;
    throw new FileError(found.fields.text());
  }

  async close(handle: Uint8Array): Promise<void> {
    await this.ask(FXP.close, handle);
  }

  /** The same where there must be a reply. */
  async must(type: number, ...fields: readonly Field[]): Promise<Fields> {
    const reply = await this.ask(type, ...fields);
    if (reply === undefined) throw this.gone();
    return reply.fields;
  }

  /** Something has come; it is kept until it is asked for. */
  protected take(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    for (;;) {
      const head = this.#peek(4);
      if (head === undefined) return;
      const size = new DataView(head.buffer, head.byteOffset, 4).getUint32(0);
      const packet = this.#peek(4 + size);
      if (packet === undefined) return;
      this.#drop(4 + size);
      const id = new DataView(packet.buffer, packet.byteOffset + 5, 4).getUint32(0);
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      waiting?.resolve({ type: packet[4] ?? 0, fields: new Fields(packet.subarray(9)) });
    }
  }

  /** Nothing comes any more. */
  protected end(): void {
    this.#isOver = true;
    for (const { reject } of this.#waiting.values()) reject(this.gone());
    this.#waiting.clear();
  }

  /** The first `size` bytes, undefined while there are fewer. */
  #peek(size: number): Uint8Array | undefined {
    if (this.#buffered < size) return undefined;
    const [first] = this.#chunks;
    if (first !== undefined && first.length >= size) return first.subarray(0, size);
    const all = concat(this.#chunks.splice(0));
    this.#chunks.push(all);
    return all.subarray(0, size);
  }

  #drop(size: number): void {
    const [first = new Uint8Array()] = this.#chunks;
    this.#buffered -= size;
    if (first.length === size) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(size);
  }
}
