/** The helper that runs programs in instances, each in a fork of its own. @see ffi/native/helper_exec_server.c */
import type { Fd, HostPath, Pid } from "#base/brand.ts";
import { ERRNO, isErrno } from "#base/errors.ts";
import { fdStream, type OwnedFd, pipe, socketPair } from "#ffi/libc/fd.ts";
import { reap, spawn } from "#ffi/libc/process.ts";
import { sendFds } from "#ffi/libc/send_fds.ts";

/** So long after the last program it may end: it costs half a megabyte, and some milliseconds to have again. */
const IDLE_MS = 5_000;

/** Started when it is needed, ended when it has been idle; anew if somebody has killed it. */
export class ExecServer implements Disposable {
  #socket: OwnedFd | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly helper: HostPath) {}

  /** A program will be started soon: be there. */
  warm(): void {
    try {
      this.#there();
    } catch {
      // Ignored: starting it will fail too, and tell.
    }
  }

  /**
   * Start what will be asked for on the other end of `status`, with these standard streams; null is /dev/null.
   * The caller keeps its descriptors. @throws {SysError}
   */
  start(status: Fd, streams: readonly [Fd | null, Fd | null, Fd | null]): void {
    const which = streams.reduce<number>((bits, fd, n) => fd === null ? bits : bits | 1 << n, 0);
    const fds = [status, ...streams.filter((fd) => fd !== null)];
    try {
      sendFds(this.#there().fd, which, fds);
    } catch (error) {
      // Somebody has killed it.
      if (!isErrno(error, ERRNO.EPIPE, ERRNO.ECONNRESET)) throw error;
      this[Symbol.dispose]();
      sendFds(this.#there().fd, which, fds);
    }
  }

  #there(): OwnedFd {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this[Symbol.dispose](), IDLE_MS);
    Deno.unrefTimer(this.#idle);
    return this.#socket ??= this.#begin();
  }

  #begin(): OwnedFd {
    const [ours, theirs] = socketPair("seqpacket");
    const life = pipe();
    using its = theirs;
    using itsLife = life.writer;
    // Linked at once: each fork would do it again.
    const env = { LC_ALL: "C", LD_BIND_NOW: "1", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
    try {
      const fds = [its.fd, itsLife.fd, null];
      reapAtEnd(spawn([this.helper, "exec"], { fds, env }), life.reader);
    } catch (error) {
      ours[Symbol.dispose]();
      life.reader[Symbol.dispose]();
      throw error;
    }
    return ours;
  }

  /** What runs goes on. */
  [Symbol.dispose](): void {
    clearTimeout(this.#idle);
    this.#socket?.[Symbol.dispose]();
    this.#socket = undefined;
  }
}

/** @param life ends when the server and all that it has started have. */
function reapAtEnd(server: Pid, life: OwnedFd): void {
  const stream = fdStream(life, "read");
  stream.on("error", () => {}); // Ignored: it is over either way.
  stream.once("end", () => void stream.destroy());
  stream.once("close", () => void reap(server));
  stream.unref();
  stream.resume();
}
