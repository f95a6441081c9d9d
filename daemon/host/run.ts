/** Run a program of the host: argv only, bounded output, its own words on failure. */
import { ExecError, Fault } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";

export interface RunOptions {
  readonly stdin?: string;
  readonly signal?: AbortSignal | undefined;
  /** As long as it takes: for work that grows with the data, which `signal` can end. */
  readonly isUnlimited?: true;
}

/**
 * @returns what it wrote to standard output.
 * @throws {ExecError} if it fails, {Fault} unavailable if it is not installed.
 */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const [program = "", ...args] = argv;
  const signal = AbortSignal.any([
    ...(options.signal === undefined ? [] : [options.signal]),
    ...(options.isUnlimited === true ? [] : [AbortSignal.timeout(LIMITS.commandTimeoutMs)]),
  ]);
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args,
      stdin: options.stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
      env: { LC_ALL: "C" },
      signal,
    }).spawn();
  } catch (error) {
    throw new Fault("unavailable", `cannot run ${program}: it is not installed`, { cause: error });
  }
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    // Ignored, both: it ended without reading all, and its status tells why.
    await writer.write(new TextEncoder().encode(options.stdin)).catch(() => undefined);
    await writer.close().catch(() => undefined);
  }
  const { success, code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout.subarray(0, LIMITS.commandOutputBytes));
  throw new ExecError(argv, code, decoder.decode(stderr).slice(-2000));
}

/** The first of these programs that is not installed. */
export async function missingTool(names: readonly string[]): Promise<string | undefined> {
  const folders = (Deno.env.get("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin").split(":");
  for (const name of names) {
    const found = await Promise.all(
      // An empty or hidden file is no program.
      folders.map((folder) =>
        Deno.stat(`${folder}/${name}`).then(({ isFile }) => isFile, () => false)
      ),
    );
    if (!found.includes(true)) return name;
  }
  return undefined;
}
