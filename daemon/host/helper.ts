/** Run a verb of the C helper and wait for its end. @see ffi/native/README.md */
import type { HostPath, Pid } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { processEnd } from "#ffi/libc/exit_watch.ts";
import { fdStream, OwnedFd, pipe } from "#ffi/libc/fd.ts";
import { type ExitStatus, openPidfd, reap, signalPidfd, spawn } from "#ffi/libc/process.ts";

const STDERR_TAIL = 4096;
const SIGTERM = 15;
const SIGNAL_BASE = 128;
const ENVIRONMENT = { LC_ALL: "C", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };

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
  signal.throwIfAborted();
  const argv = [helper, ...args];
  // A monitor that outlives the helper would keep a pipe open for ever: then its log is the place.
  const { child, said } = options.discardOutput === true ? startSilent(argv) : startPiped(argv);
  using pidfd = openPidfd(child);
  const kill = () => void signalPidfd(pidfd.fd, SIGTERM);
  signal.addEventListener("abort", kill, { once: true });
  let status: ExitStatus;
  let text: string;
  try {
    text = await said;
  } finally {
    signal.removeEventListener("abort", kill);
    status = reap(child);
  }
  const code = status.kind === "exit" ? status.code : SIGNAL_BASE + status.signal;
  if (code === 0) return;
  if (timeout.aborted) {
    throw new Fault("unavailable", `the helper did not end: ${args[0]}`, { cause: signal.reason });
  }
  throw new ExecError(argv, code, text);
}

interface Started {
  readonly child: Pid;
  /** The end of what it said, once it ends. */
  readonly said: Promise<string>;
}

function startSilent(argv: readonly string[]): Started {
  const child = spawn(argv, { fds: [null, null, null], env: ENVIRONMENT });
  return { child, said: processEnd(child).ended.then(() => "") };
}

function startPiped(argv: readonly string[]): Started {
  const { reader, writer } = pipe();
  using mine = reader;
  using its = writer;
  const child = spawn(argv, { fds: [null, null, its.fd], env: ENVIRONMENT });
  return { child, said: readTail(new OwnedFd(mine.take())) };
}

async function readTail(reader: OwnedFd): Promise<string> {
  const stream = fdStream(reader, "read");
  stream.setEncoding("utf8");
  let text = "";
  for await (const chunk of stream) text = (text + chunk).slice(-STDERR_TAIL);
  return text;
}
