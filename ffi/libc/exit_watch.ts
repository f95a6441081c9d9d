/**
 * Notice the end of any process by its pidfd. One thread of Deno's pool sits in poll(2) for all of
 * them (reading a pidfd fails at once, so the event loop itself can't wait for one); a pipe wakes it
 * when the set changes.
 */
import type { Pid } from "#base/brand.ts";
import { ERRNO, isErrno } from "#base/errors.ts";
import { type OwnedFd, pipe } from "./fd.ts";
import { libc } from "./open.ts";
import { openPidfd } from "./process.ts";

const POLLIN = 1;

interface Watched {
  readonly pidfd: OwnedFd;
  readonly notify: () => void;
}

class ExitWatcher {
  readonly #watched = new Set<Watched>();
  readonly #wake = pipe();
  #isRunning = false;

  add(watched: Watched): void {
    this.#watched.add(watched);
    this.#poke();
  }

  remove(watched: Watched): void {
    if (this.#watched.delete(watched)) this.#poke(() => watched.pidfd[Symbol.dispose]());
  }

  /** Closing waits for the next round: the thread must not poll a number that is somebody else's. */
  readonly #closing: (() => void)[] = [];

  #poke(close?: () => void): void {
    if (close !== undefined) this.#closing.push(close);
    if (!this.#isRunning) {
      this.#isRunning = true;
      void this.#run();
    } else {
      libc().write(this.#wake.writer.fd, new Uint8Array(1), 1n);
    }
  }

  async #run(): Promise<void> {
    while (this.#watched.size > 0 || this.#closing.length > 0) {
      for (const close of this.#closing.splice(0)) close();
      const watched = [...this.#watched];
      if (watched.length === 0) break;
      const polls = new DataView(new ArrayBuffer(8 * (watched.length + 1)));
      [this.#wake.reader, ...watched.map(({ pidfd }) => pidfd)].forEach((owned, index) => {
        polls.setInt32(index * 8, owned.fd, true);
        polls.setInt16(index * 8 + 4, POLLIN, true);
      });
      await libc().poll(new Uint8Array(polls.buffer), BigInt(watched.length + 1), -1);
      if (polls.getInt16(6, true) !== 0) {
        libc().read(this.#wake.reader.fd, new Uint8Array(64), 64n);
      }
      watched.forEach((one, index) => {
        if (polls.getInt16((index + 1) * 8 + 6, true) === 0 || !this.#watched.delete(one)) return;
        one.pidfd[Symbol.dispose]();
        one.notify();
      });
    }
    this.#isRunning = false;
  }
}

let watcher: ExitWatcher | undefined;

/** `ended` settles when the process has ended, at once if it is gone already. */
export function processEnd(target: Pid): { readonly ended: Promise<void> } & Disposable {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let pidfd: OwnedFd;
  try {
    pidfd = openPidfd(target);
  } catch (error) {
    if (!isErrno(error, ERRNO.ESRCH, ERRNO.EINVAL)) throw error;
    resolve();
    return { ended, [Symbol.dispose]: () => {} };
  }
  const watched = { pidfd, notify: resolve };
  const owner = watcher ??= new ExitWatcher();
  owner.add(watched);
  return { ended, [Symbol.dispose]: () => owner.remove(watched) };
}
