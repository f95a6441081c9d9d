/** Run a program to its end and keep what it said. */
import { SLOWNESS } from "./slowness.ts";

export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** After this it is killed, and fails with status 137. */
  readonly limitMs?: number;
}

const LIMIT_MS = 60_000 * SLOWNESS;

/** @returns Also a failure; a test looks at the status. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const [program = "", ...args] = argv;
  const { stdin, limitMs = LIMIT_MS, ...rest } = options;
  const child = new Deno.Command(program, {
    ...rest,
    args,
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(limitMs),
  }).spawn();
  const fed = stdin === undefined ? undefined : feed(child.stdin, stdin);
  const [stdout, stderr, { code }] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.status,
    fed,
  ]);
  return { status: code, stdout, stderr };
}

async function feed(stream: WritableStream<Uint8Array>, text: string): Promise<void> {
  const writer = stream.getWriter();
  try {
    await writer.write(new TextEncoder().encode(text));
    await writer.close();
  } catch {
    // Ignored: a program may end without reading its input.
  }
}

/** @throws Error with all that the program said, unless it succeeds. @returns Standard output. */
export async function must(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await run(argv, options);
  if (status !== 0) throw new Error(`${argv.join(" ")}: status ${status}\n${stdout}${stderr}`);
  return stdout;
}
