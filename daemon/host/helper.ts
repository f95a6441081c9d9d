/** Run a verb of the C helper and wait for its end. @see ffi/native/README.md */
import type { HostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";

const STDERR_TAIL = 4096;

/**
 * @throws {ExecError} with the helper's own words if its exit status is not 0.
 * @throws {Fault} unavailable if it does not end in `LIMITS.helperStartMs`.
 */
export async function runHelper(
  helper: HostPath,
  args: readonly string[],
  options: { signal?: AbortSignal; discardOutput?: boolean } = {},
): Promise<void> {
  const timeout = AbortSignal.timeout(LIMITS.helperStartMs);
  const signal = options.signal === undefined
    ? timeout
    : AbortSignal.any([options.signal, timeout]);
  const child = new Deno.Command(helper, {
    args: [...args],
    clearEnv: true,
    env: { LC_ALL: "C", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    stdin: "null",
    stdout: "null",
    // A monitor that outlives the helper would keep a pipe open for ever: then its log is the place.
    stderr: options.discardOutput === true ? "null" : "piped",
    signal,
  }).spawn();
  const text = options.discardOutput === true ? "" : await readTail(child.stderr);
  const status = await child.status;
  if (status.success) return;
  if (timeout.aborted) {
    throw new Fault("unavailable", `the helper did not end: ${args[0]}`, { cause: signal.reason });
  }
  throw new ExecError([helper, ...args], status.code, text);
}

async function readTail(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream() as never)) {
    text = (text + chunk).slice(-STDERR_TAIL);
  }
  return text;
}
