/** The reason of a failed start, out of liblxc's log. */

const TAIL_BYTES = 16 * 1024;
const MAX_REASONS = 3;

/** The last messages of level ERROR, newest first, shortened; "" if the log says nothing. */
export async function lastErrors(path: string): Promise<string> {
  let text: string;
  try {
    text = (await Deno.readTextFile(path)).slice(-TAIL_BYTES);
  } catch {
    return ""; // Ignored: no log, no reason.
  }
  return errorsIn(text);
}

/** Pure part. Lines: "lxc c1 20260101... ERROR start - ../src/lxc/start.c:fn:123 - message". */
function errorsIn(text: string): string {
  const reasons: string[] = [];
  for (const line of text.split("\n")) {
    const match = /\sERROR\s+\S+ - [^:]+:\w+:\d+ - (.*)$/.exec(line);
    const reason = match?.[1]?.trim();
    if (reason !== undefined && reason !== "" && !reasons.includes(reason)) reasons.push(reason);
  }
  // The first ones are the cause; what follows is the machinery noticing.
  return reasons.slice(0, MAX_REASONS).join("; ");
}
