/** Progress of downloads as text, for all who wait for the same one. */

export interface Transferred {
  readonly part: string;
  readonly bytes: number;
  /** 0: unknown. */
  readonly total: number;
}

const INTERVAL_MS = 200;
const MEGABYTE = 1e6;

export interface ProgressBoard {
  /** Tell `report` of the download of `name` until the result is disposed. */
  listen(name: string, report: ((text: string) => void) | undefined): Disposable;
  note(name: string, transferred: Transferred): void;
}

/** @param now Milliseconds of a clock that never goes back. */
export function createProgress(now: () => number = () => performance.now()): ProgressBoard {
  const listeners = new Map<string, Set<(text: string) => void>>();
  const last = new Map<string, { atMs: number; startMs: number; part: string }>();
  return {
    listen(name, report) {
      if (report === undefined) return { [Symbol.dispose]: () => {} };
      const all = listeners.get(name) ?? new Set();
      listeners.set(name, all.add(report));
      return {
        [Symbol.dispose]() {
          all.delete(report);
          if (all.size > 0) return;
          listeners.delete(name);
          last.delete(name);
        },
      };
    },
    note(name, transferred) {
      const { part, bytes, total } = transferred;
      const before = last.get(name);
      const atMs = now();
      const isNewPart = before?.part !== part;
      if (!isNewPart && atMs - before.atMs < INTERVAL_MS && bytes !== total) return;
      const startMs = isNewPart ? atMs : before.startMs;
      last.set(name, { atMs, startMs, part });
      const text = progressText(transferred, atMs - startMs);
      for (const report of listeners.get(name) ?? []) report(text);
    },
  };
}

/** "rootfs: 12% (3.40MB/s)"; without a total "rootfs: 31MB (3.40MB/s)". */
export function progressText({ part, bytes, total }: Transferred, elapsedMs: number): string {
  const speed = elapsedMs > 0 ? bytes / MEGABYTE / (elapsedMs / 1000) : 0;
  const amount = total > 0
    ? `${Math.floor(bytes / total * 100)}%`
    : `${Math.round(bytes / MEGABYTE)}MB`;
  return `${part}: ${amount} (${speed.toFixed(2)}MB/s)`;
}
