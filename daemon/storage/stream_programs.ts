/** Programs that write or read volumes as streams: zfs and btrfs, each with send and receive. */
import { ExecError, type Fault } from "#base/errors.ts";

interface StreamOptions {
  readonly signal?: AbortSignal | undefined;
  /** What a failure of the program means; undefined: nothing that is known. */
  readonly faultOf: (error: ExecError) => Fault | undefined;
}

/** @returns what the program writes; ask for `success` when it was read to its end. */
export function sendBy(argv: readonly string[], options: StreamOptions) {
  const { child, success } = start(argv, { stdin: "null", stdout: "piped" }, options);
  return { stream: child.stdout, success };
}

/** Feed the program with a stream until both have ended. @throws {Fault} by `faultOf`, or ExecError */
export async function receiveBy(
  argv: readonly string[],
  stream: ReadableStream<Uint8Array>,
  options: StreamOptions,
): Promise<void> {
  const { child, success } = start(argv, { stdin: "piped", stdout: "null" }, options);
  await stream.pipeTo(child.stdin)
    .catch(() => undefined); // Ignored: the program's own words say more than the broken pipe.
  await success();
}

function start(
  argv: readonly string[],
  streams: { readonly stdin: "null" | "piped"; readonly stdout: "null" | "piped" },
  { signal, faultOf }: StreamOptions,
) {
  const [program = "", ...args] = argv;
  const child = new Deno.Command(program, {
    args,
    env: { LC_ALL: "C" },
    ...streams,
    stderr: "piped",
    ...(signal === undefined ? {} : { signal }),
  }).spawn();
  const words = new Response(child.stderr).text();
  const success = async () => {
    const [{ success, code }, text] = await Promise.all([child.status, words]);
    if (success) return;
    const error = new ExecError(argv, code, text.slice(-2000));
    throw faultOf(error) ?? error;
  };
  return { child, success };
}
