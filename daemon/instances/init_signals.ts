/** Wait until init handles a signal: the kernel drops what pid 1 of a container does not handle. */
import type { Pid } from "#base/brand.ts";

const BOUND_MS = 60_000;
/** /proc has no event for this; the steps grow, the whole is bounded. */
const FIRST_STEP_MS = 5;
const LONGEST_STEP_MS = 100;

/** @returns false if init ended, or time is over, before it handled the signal. */
export async function waitUntilHandled(
  pid: Pid,
  signal: number,
  over: AbortSignal = AbortSignal.timeout(BOUND_MS),
): Promise<boolean> {
  for (let step = FIRST_STEP_MS; !over.aborted; step = Math.min(step * 2, LONGEST_STEP_MS)) {
    let status: string;
    try {
      status = Deno.readTextFileSync(`/proc/${pid}/status`);
    } catch {
      return false; // Ignored: it is gone.
    }
    if (handles(status, signal)) return true;
    await new Promise((resolve) => setTimeout(resolve, step));
  }
  return false;
}

/** Does SigCgt of /proc/<pid>/status have the signal, or is it blocked for signalfd? Pure. */
export function handles(status: string, signal: number): boolean {
  return ["SigCgt", "SigBlk"].some((field) => {
    const mask = new RegExp(`^${field}:\\s*([0-9a-f]+)`, "m").exec(status)?.[1] ?? "0";
    return (BigInt(`0x${mask}`) >> BigInt(signal - 1) & 1n) === 1n;
  });
}
