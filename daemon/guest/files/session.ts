/** A file server for one container: the helper's `sftp`, and requests to it. */
import type { Fd, HostPath, Pid } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { processEnd } from "#ffi/libc/exit_watch.ts";
import { fdStream, pipe } from "#ffi/libc/fd.ts";
import { growPipe } from "#ffi/libc/pipe_size.ts";
import { openPidfd, reap, signalPidfd, spawn } from "#ffi/libc/process.ts";
import type { Socket } from "node:net";
import { encode, type Field, Fields, FXP } from "./packet.ts";

export type FilesRoot =
  /** Seen from inside a running container, with its ids. */
  | { readonly pid: Pid }
  /** Of a stopped one; `users` is a user namespace in which its files have plain ids. */
  | { readonly directory: HostPath; readonly users?: Fd };

/** The file system said no. `text` is the kernel's word, e.g. "Is a directory". */
export class FileError extends Error {
  override readonly name = "FileError";

  constructor(readonly text: string) {
    super(text);
  }
}

interface Reply {
  readonly type: number;
  readonly fields: Fields;
}

const SIGKILL = 9;
const STATUS_OK = 0;
const STATUS_EOF = 1;

/** The process and its streams: raw for clients of /sftp, or for a FilesSession. */
export class FilesProcess implements Disposable {
  readonly input: Socket;
  readonly output: Socket;
  readonly #pidfd;
  readonly #child: Pid;
  #init: ReturnType<typeof processEnd> | undefined;

  constructor(helper: HostPath, root: FilesRoot) {
    const [theirInput, theirOutput] = [pipe(), pipe()];
    using reader = theirInput.reader;
    using writer = theirOutput.writer;
    growPipe(reader.fd);
    growPipe(writer.fd);
    const fds: (Fd | null)[] = [reader.fd, writer.fd, null];
    const where = "pid" in root ? ["pid", `${root.pid}`] : ["root", root.directory];
    if ("users" in root && root.users !== undefined) where.push(String(fds.push(root.users) - 1));
    this.#child = spawn([helper, "sftp", ...where], { fds });
    this.#pidfd = openPidfd(this.#child);
    this.input = fdStream(theirInput.writer, "write");
    this.output = fdStream(theirOutput.reader, "read");
    // It holds the mounts of the container: it ends with it.
    if ("pid" in root) this.#init = processEnd(root.pid);
    void this.#init?.ended.then(() => this[Symbol.dispose]());
    this.input.on("error", () => {}); // Ignored: the output ends as well.
    this.output.once("close", () => {
      this.input.destroy();
      this[Symbol.dispose]();
    });
  }

  #isOver = false;

  /** End it, at once: what it still had to say is lost. */
  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#init?.[Symbol.dispose]();
    signalPidfd(this.#pidfd.fd, SIGKILL);
    this.#pidfd[Symbol.dispose]();
    this.input.destroy();
    this.output.destroy();

    void reapLater(this.#child);
  }
}

/** It may hang in what the kernel lets nobody interrupt: nobody waits for that. */
async function reapLater(child: Pid): Promise<void> {
  using end = processEnd(child);
  await end.ended;
  reap(child);
}

export class FilesSession implements Disposable {
  readonly #process: FilesProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<Reply>>();
  readonly #chunks: Uint8Array[] = [];
  #buffered = 0;
  #nextId = 1;
  #isOver = false;

  constructor(helper: HostPath, root: FilesRoot) {
    this.#process = new FilesProcess(helper, root);
    this.#process.output.on("data", (chunk: Uint8Array) => this.#take(chunk));
    this.#process.output.once("close", () => this.#end());
    this.#process.output.once("error", () => this.#process.output.destroy());
    this.#process.output.once("end", () => this.#process.output.destroy());
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  [Symbol.dispose](): void {
    this.#process[Symbol.dispose]();
  }

  /** @throws {FileError} what the status says. @returns undefined at the end of a file or directory. */
  async ask(type: number, ...fields: readonly Field[]): Promise<Reply | undefined> {
    if (this.#isOver) throw gone();
    const id = this.#nextId++;
    const reply = Promise.withResolvers<Reply>();
    this.#waiting.set(id, reply);
    const { input } = this.#process;
    input.cork();
    for (const part of encode(type, id, fields)) input.write(part);
    input.uncork();
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
    if (reply === undefined) throw gone();
    return reply.fields;
  }

  #take(chunk: Uint8Array): void {
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

  /** The first `size` bytes, undefined while there are fewer. */
  #peek(size: number): Uint8Array | undefined {
    if (this.#buffered < size) return undefined;
    const [first] = this.#chunks;
    if (first !== undefined && first.length >= size) return first.subarray(0, size);
    const all = Buffer.concat(this.#chunks.splice(0));
    this.#chunks.push(all);
    return all.subarray(0, size);
  }

  #drop(size: number): void {
    const [first = new Uint8Array()] = this.#chunks;
    this.#buffered -= size;
    if (first.length === size) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(size);
  }

  #end(): void {
    this.#isOver = true;
    for (const { reject } of this.#waiting.values()) reject(gone());
    this.#waiting.clear();
  }
}

function gone(): Fault {
  return new Fault("unavailable", "the files of the instance are gone: it was stopped or started", {
    hint: "Try again.",
  });
}
