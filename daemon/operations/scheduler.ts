/**
 * Runs what is due by the clock: scheduled snapshots, expiry of snapshots and backups. One timer for
 * the earliest of all; it is set anew when something changes, so an idle daemon sleeps.
 */

export interface Chore {
  /** For the log: "take scheduled snapshots". */
  readonly what: string;
  /** When the next thing is due; what was due up to `since` is done. A time in the past is due now. */
  next(since: Date): Promise<Date | undefined>;
  /** Do what became due after `since`, up to `now`. What fails is reported and not tried again at once. */
  run(since: Date, now: Date): Promise<void>;
}

export interface SchedulerDeps {
  readonly chores: readonly Chore[];
  readonly onError: (what: string, error: unknown) => void;
}

/** Timers run on a clock that stands while the machine sleeps: look at the wall clock this often. */
const LONGEST_MS = 3600_000;
/** Many changes in a row are looked at once. */
const SETTLE_MS = 100;
/** A chore that says it is due again at once (it failed) waits for this. */
const RETRY_MS = 60_000;

/** One run of a chore at a time; `close` waits for those that run. */
export class Scheduler {
  readonly #deps: SchedulerDeps;
  readonly #done = new Map<Chore, Date>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #settling = false;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(deps: SchedulerDeps) {
    this.#deps = deps;
  }

  /** Begin: what became due while no daemon ran is overdue only where a chore says so. */
  start(): void {
    const now = new Date();
    for (const chore of this.#deps.chores) this.#done.set(chore, now);
    this.#wakeIn(0);
  }

  /** Something changed: look again soon at what is due next. */
  touch(): void {
    if (this.#settling || this.#done.size === 0) return;
    this.#settling = true;
    this.#wakeIn(SETTLE_MS);
  }

  #wakeIn(ms: number): void {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#settling = false;
      this.#running = this.#running.then(() => this.#turn());
    }, Math.min(Math.max(ms, 0), LONGEST_MS));
  }

  async #turn(): Promise<void> {
    let earliest = Infinity;
    for (const chore of this.#deps.chores) {
      if (this.#isClosed) return;
      try {
        earliest = Math.min(earliest, await this.#attend(chore));
      } catch (error) {
        this.#deps.onError(chore.what, error);
        earliest = Math.min(earliest, Date.now() + RETRY_MS);
      }
    }
    if (earliest < Infinity && !this.#settling) this.#wakeIn(earliest - Date.now());
  }

  /** @returns when it is due next, in ms. */
  async #attend(chore: Chore): Promise<number> {
    const since = this.#done.get(chore) ?? new Date();
    const due = await chore.next(since);
    if (due === undefined) return Infinity;
    const now = new Date();
    if (due > now) return due.getTime();
    await chore.run(since, now);
    this.#done.set(chore, now);
    const after = await chore.next(now);
    if (after === undefined) return Infinity;
    return after > now ? after.getTime() : Date.now() + RETRY_MS;
  }

  /** No more turns; waits for the one that runs. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }
}
