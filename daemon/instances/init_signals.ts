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
    if (handles(status, signal) || waitsForSignals(pid)) return true;
    await new Promise((resolve) => setTimeout(resolve, step));
  }
  return false;
}

const RT_SIGTIMEDWAIT: Readonly<Record<typeof Deno.build.arch, string>> = {
  x86_64: "128",
  aarch64: "137",
};

/**
 * An init that fetches its signals (busybox): while it waits in sigtimedwait(2), the kernel shows
 * what it waits for as not blocked, and yet keeps it.
 */
function waitsForSignals(pid: Pid): boolean {
  try {
    const call = Deno.readTextFileSync(`/proc/${pid}/syscall`).split(" ", 1)[0];
    return call === RT_SIGTIMEDWAIT[Deno.build.arch];
  } catch {
    return false; // Ignored: the kernel does not tell, or it is gone.
  }
}

/** Does SigCgt of /proc/<pid>/status have the signal, or is it blocked for signalfd? Pure. */
function handles(status: string, signal: number): boolean {
  return ["SigCgt", "SigBlk"].some((field) => {
    const mask = new RegExp(`^${field}:\\s*([0-9a-f]+)`, "m").exec(status)?.[1] ?? "0";
    return (BigInt(`0x${mask}`) >> BigInt(signal - 1) & 1n) === 1n;
  });
}
