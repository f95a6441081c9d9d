/** Chores that delete what has expired, on full minutes as LXD does: what was just set can be seen. */
import type { Chore } from "./scheduler.ts";

export interface Expiring {
  readonly what: string;
  /** When the first of them expires, as ISO text; "" if none does. */
  readonly first: () => Promise<string>;
  readonly run: (now: Date) => Promise<void>;
  readonly now?: () => Date;
}

/** @param now For tests. */
export function expiryChore({ what, first, run, now = () => new Date() }: Expiring): Chore {
  /** When to delete what had expired before it was noticed. */
  let promised: Date | undefined;
  return {
    what,
    async next() {
      const text = await first();
      if (text === "") {
        promised = undefined;
        return undefined;
      }
      const due = fullMinute(new Date(text));
      if (due > now()) return due;
      return promised ??= fullMinute(now());
    },
    async run(_since, time) {
      promised = undefined;
      await run(time);
    },
  };
}

/** This minute if it just begins, else the next one. */
function fullMinute(time: Date): Date {
  return new Date(Math.ceil(time.getTime() / 60_000) * 60_000);
}
