/** File servers that wait for their next request: trees are pushed file by file. */
import { LIMITS } from "#base/limits.ts";
import type { HostPath } from "#base/brand.ts";
import { type FilesRoot, FilesSession } from "./session.ts";

interface Idle {
  readonly key: string;
  readonly session: FilesSession;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** Closing it ends those that wait; those at work end with their request. */
export class FilesPool {
  readonly #idle = new Set<Idle>();

  constructor(readonly helper: HostPath) {}

  /**
   * Work with a session of its own: one that hangs holds up nobody else. What fails in another way
   * than by a FileError, or is aborted, ends the session.
   *
   * @param key The run of the instance: another run gets another server.
   */
  async use<T>(
    { key, root, signal }: { key: string; root: FilesRoot; signal: AbortSignal },
    work: (session: FilesSession) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    const session = this.#take(key) ?? new FilesSession(this.helper, root);
    const end = () => session[Symbol.dispose]();
    signal.addEventListener("abort", end, { once: true });
    let isGood = false;
    try {
      const result = await work(session);
      isGood = true;
      return result;
    } catch (error) {
      isGood = error instanceof Error && error.name === "FileError";
      throw error;
    } finally {
      signal.removeEventListener("abort", end);
      if (isGood && !session.isOver) this.#keep(key, session);
      else end();
    }
  }

  /** Work with a session that nobody uses after it: it would keep the volume busy. */
  async once<T>(
    { root, signal }: { root: FilesRoot; signal: AbortSignal },
    work: (session: FilesSession) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    using session = new FilesSession(this.helper, root);
    const end = () => session[Symbol.dispose]();
    signal.addEventListener("abort", end, { once: true });
    try {
      return await work(session);
    } finally {
      signal.removeEventListener("abort", end);
    }
  }

  #take(key: string): FilesSession | undefined {
    for (const idle of this.#idle) {
      if (idle.key !== key) continue;
      this.#forget(idle);
      if (!idle.session.isOver) return idle.session;
    }
    return undefined;
  }

  #keep(key: string, session: FilesSession): void {
    const timer = setTimeout(() => {
      this.#forget(idle);
      session[Symbol.dispose]();
    }, LIMITS.filesIdleMs);
    const idle: Idle = { key, session, timer };
    this.#idle.add(idle);
    timer.unref();
  }

  #forget(idle: Idle): void {
    clearTimeout(idle.timer);
    this.#idle.delete(idle);
  }

  /** End those that wait. */
  close(): void {
    for (const idle of [...this.#idle]) {
      this.#forget(idle);
      idle.session[Symbol.dispose]();
    }
  }
}
