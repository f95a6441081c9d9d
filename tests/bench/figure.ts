/** What a figure is, and what several of them are made with. */
import { timed } from "./measure.ts";
import type { Side } from "./side.ts";

export interface Target {
  /** Ours divided by LXD's: at most, where less is better; at least, where more is. */
  readonly ratio?: number;
  /** Ours, in the figure's unit. */
  readonly limit?: number;
}

export interface Figure {
  readonly name: string;
  readonly unit: "ms" | "MB/s" | "kB" | "1/s";
  readonly better: "less" | "more";
  readonly target: Target;
  /** @returns Samples, or undefined when the side has no such figure. */
  readonly measure: (side: Side) => Promise<readonly number[] | undefined>;
}

export interface Group {
  readonly prepare?: (side: Side) => Promise<unknown>;
  readonly figures: readonly Figure[];
  readonly cleanUp?: (side: Side) => Promise<unknown>;
}

export const GIB = 1024 ** 3;
export const RATE_MS = 4000;
const PAUSE_MS = 10;

/** LXD copies the Debian image at each launch, which takes seconds: fewer samples say enough. */
export const slow = (side: Side) => side.name === "LXD" ? 3 : 7;

export async function until(
  limitMs: number,
  met: () => Promise<boolean>,
  pauseMs = PAUSE_MS,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!await met()) {
    if (performance.now() > end) throw new Error("it did not come up");
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** Megabytes per second of a script that moves so many bytes. */
export function pipe(script: string, bytes = GIB) {
  return async (side: Side) =>
    (await timed({ times: 3 }, () => side.shell(script))).map((ms) => bytes / 1e6 / (ms / 1000));
}
