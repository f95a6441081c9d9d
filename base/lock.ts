/** Locks by name: holders of one name run one after the other, in the order in which they asked. */
export class LockTable {
  #tails = new Map<string, Promise<void>>();

  /**
   * Wait for the lock `name` and hold it until the result is disposed.
   *
   *     using _held = await locks.acquire(`instance ${id}`);
   *
   * @throws The signal's reason if it aborts while waiting.
   */
  async acquire(name: string, signal?: AbortSignal): Promise<Disposable> {
    const before = this.#tails.get(name) ?? Promise.resolve();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const tail = before.then(() => released);
    this.#tails.set(name, tail);
    const done = () => {
      release();
      if (this.#tails.get(name) === tail) this.#tails.delete(name);
    };
    try {
      await waitOrAbort(before, signal);
    } catch (error) {
      done();
      throw error;
    }
    return { [Symbol.dispose]: done };
  }

  /**
   * All of them at once. Always in the same order, so that two who want the same ones in different
   * orders don't wait for each other for ever; a name that is given twice is held once.
   *
   * @throws The signal's reason if it aborts while waiting; none is held then.
   */
  async acquireAll(names: readonly string[], signal?: AbortSignal): Promise<Disposable> {
    using held = new DisposableStack();
    for (const name of [...new Set(names)].toSorted()) held.use(await this.acquire(name, signal));
    return held.move();
  }

  /** Is `name` held or waited for? */
  isBusy(name: string): boolean {
    return this.#tails.has(name);
  }
}

async function waitOrAbort(before: Promise<void>, signal?: AbortSignal): Promise<void> {
  if (signal === undefined) return await before;
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([before, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
