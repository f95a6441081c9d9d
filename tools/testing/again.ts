/**
 * A second try for the few tests that failed, alone, when all others have ended: on a busy machine a test
 * may fail by its neighbours. Whatever needs one is named, since it is a bug of the test or of the product.
 */
import type { Step } from "./steps.ts";

/** Where more have failed, something is broken. */
const MOST_PARTS = 3;

export interface Failure {
  readonly step: Step;
  /** How many of its tests. */
  readonly failed: number;
  readonly output: string;
}

export interface SecondTry {
  readonly step: Step;
  /** How many tests failed at first. */
  readonly failed: number;
  readonly parts: readonly string[];
}

/** What to run again; nothing if a step has failed as a whole, or too many parts have. */
export function secondTries(failures: readonly Failure[]): readonly SecondTry[] {
  const tries = failures.map(({ step, failed, output }) => {
    const { again, ...same } = step;
    const parts = hasEnded(output) ? [...new Set(again?.failed(output))] : [];
    const argv = again?.argv(parts) ?? step.argv;
    return { failed, parts, step: { ...same, name: `${step.name}, again`, argv } };
  });
  const hasWhole = tries.some(({ parts }) => parts.length === 0);
  return hasWhole || tries.flatMap(({ parts }) => parts).length > MOST_PARTS ? [] : tries;
}

/** Else there are parts that were never run. */
const hasEnded = (output: string) =>
  /^(?:FAILED \| \d+ passed|\d+ passed, \d+ failed$)/m.test(output);
