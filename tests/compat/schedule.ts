/** Which suite runs next: the longest that still fits, so that the end is not one long suite alone. */
import type { Suite } from "./suites.ts";

export function longestFirst(suites: readonly Suite[]): Suite[] {
  return suites.toSorted((a, b) => b.seconds - a.seconds);
}

/**
 * Take the next suite out of `waiting` (longest first).
 *
 * @returns undefined when nothing that is left fits: what stays in `waiting` was left out.
 */
export function takeNext(waiting: Suite[], secondsLeft: number): Suite | undefined {
  const index = waiting.findIndex(({ seconds }) => seconds <= secondsLeft);
  return index === -1 ? undefined : waiting.splice(index, 1)[0];
}

/** "25m", "90s", "1h" or a number of seconds. @throws Error for anything else. */
export function parseBudget(text: string): number {
  const match = /^(\d+)([smh]?)$/.exec(text);
  if (match === null) throw new Error(`"${text}" is no budget: write 90s, 25m or 1h`);
  const factor = { s: 1, m: 60, h: 3600 }[match[2] ?? "s"] ?? 1;
  return Number(match[1]) * factor;
}
