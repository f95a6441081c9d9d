/** Read from the log of LXD's harness how a suite ended. */

export type Result = "pass" | "skip" | "fail" | "timeout";

export interface Verdict {
  readonly result: Result;
  /** The last words before the end, for a reader; the reason, for a skip. */
  readonly why: string;
}

const TIMED_OUT = [124, 137];

/**
 * A suite that leaves as a whole: the harness says so, or it returns right after saying why. Other
 * SKIP lines are parts of a test that went on. The lines with plus signs are the shell's trace.
 */
const WHOLE_SKIP = /^==> SKIP: (?:(test_.*)|(.*)\n\+ return\b.*\n(?:\+ .*\n){0,5}==> TEST DONE)/m;

/** @param status Of timeout(1) around the harness. @param log All that the suite printed. */
export function judge(log: string, status: number): Verdict {
  const text = log.replaceAll("\r", "");
  const skip = WHOLE_SKIP.exec(text.replaceAll(/^time=.*\n/gm, ""));
  if (TIMED_OUT.includes(status)) return { result: "timeout", why: lastWords(text) };
  if (!text.includes("==> Test result: success")) return { result: "fail", why: lastWords(text) };
  const left = /^(.* is not empty, content:)$/m.exec(text);
  if (left !== null) return { result: "fail", why: text.slice(left.index).slice(0, 800) };
  if (skip !== null) return { result: "skip", why: skip[1] ?? skip[2] ?? "" };
  return { result: "pass", why: "" };
}

const NOISE = /^(\+ (cleanup|set |DEBUG=|local )|time=|\s*$)/;
const LAST_LINES = 14;

/** What was done before the harness began to clean up; its trace begins with plus signs. */
function lastWords(text: string): string {
  const [before = ""] = text.split("\n==> Cleaning up");
  const lines = before.split("\n").filter((line) => !NOISE.test(line));
  return lines.slice(-LAST_LINES).map((line) => line.slice(0, 240)).join("\n");
}
