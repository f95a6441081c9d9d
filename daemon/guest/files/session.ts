/** A file server for one container: the helper's `sftp`, and requests to it. */
import type { Fd, HostPath, Pid } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { processEnd } from "#ffi/libc/exit_watch.ts";
import { fdStream, pipe } from "#ffi/libc/fd.ts";
import { growPipe } from "#ffi/libc/pipe_size.ts";
import { openPidfd, reap, signalPidfd, spawn } from "#ffi/libc/process.ts";
import type { Socket } from "node:net";
import { SftpSession } from "#api/sftp/session.ts";

export type FilesRoot =
  /** Seen from inside a running container, with its ids. */
  | { readonly pid: Pid }
  /** Of a stopped one; `users` is a user namespace in which its files have plain ids. */
  | { readonly directory: HostPath; readonly users?: Fd };

const SIGKILL = 9;
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

/** Requests to a file server of its own. */
export class FilesSession extends SftpSession implements Disposable {
  readonly #process: FilesProcess;

  constructor(helper: HostPath, root: FilesRoot) {
    super();
    this.#process = new FilesProcess(helper, root);
    const { output } = this.#process;
    output.on("data", (chunk: Uint8Array) => this.take(chunk));
    output.once("close", () => this.end());
    output.once("error", () => output.destroy());
    output.once("end", () => output.destroy());
  }

  [Symbol.dispose](): void {
    this.#process[Symbol.dispose]();
  }

  protected write(parts: readonly Uint8Array[]): void {
    const { input } = this.#process;
    input.cork();
    for (const part of parts) input.write(part);
    input.uncork();
  }

  protected gone(): Fault {
    const what = "the files of the instance are gone: it was stopped or started";
    return new Fault("unavailable", what, { hint: "Try again." });
  }
}
