/** Read how many tests passed and failed from what a step printed. */
import type { Step } from "./steps.ts";

export interface Count {
  readonly passed: number;
  readonly failed: number;
  /** Tests that asked not to be run. */
  readonly ignored: number;
}

/** deno test's last line: "ok | 12 passed (3 steps) | 0 failed | 1 ignored (2s)". */
const SUMMARY =
  /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed(?: \([^)]*\))?(?: \| (\d+) ignored)?/gm;

/** The last line of tools that sum up by themselves. */
const LAST_LINE = /^(\d+) passed, (\d+) failed$/gm;

/**
 * A step that failed counts at least one failure, whatever it printed: a crash, a syntax error or
 * the time limit leave no summary.
 */
export function countResults(kind: Step["count"], output: string, success: boolean): Count {
  const none = { passed: 0, failed: success ? 0 : 1, ignored: 0 };
  if (kind === "step") return { ...none, passed: success ? 1 : 0 };
  const match = [...output.matchAll(kind === "deno test" ? SUMMARY : LAST_LINE)].at(-1);
  if (match === null || match === undefined) return { ...none, failed: 1 };
  const [, passed = "0", failed = "0", ignored = "0"] = match;
  return {
    passed: Number(passed),
    failed: Math.max(Number(failed), success ? 0 : 1),
    ignored: Number(ignored),
  };
}

/** What a reader needs of the output of a failed step: deno test's errors, or all of it. */
export function failureText(kind: Step["count"], output: string): string {
  const start = kind === "deno test" ? output.indexOf("\n ERRORS \n") : -1;
  return (start === -1 ? output : output.slice(start)).trim();
}
