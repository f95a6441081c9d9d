/** What runs in an instance, with which environment, as whom and where. Pure. */
import type { InstanceExecPost } from "#api/routes/instance_exec.ts";
import { Fault } from "#base/errors.ts";
import { deniesCompat } from "#daemon/security/seccomp.ts";

export interface Wish {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly user: number;
  readonly group: number;
  readonly cwd: string;
  /** It may run no 32-bit programs. */
  readonly isNative: boolean;
}

/** What the instance itself contributes. */
export interface Surroundings {
  /** Expanded. */
  readonly config: Readonly<Record<string, string>>;
  readonly hasSnaps: boolean;
  readonly isNixos: boolean;
}

const PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** @throws {Fault} bad_request for what no program can get. */
export function planExec(
  body: InstanceExecPost,
  { config, hasSnaps, isNixos }: Surroundings,
): Wish {
  const { command, user = 0, group = 0 } = body;
  if (command.length === 0 || command[0] === "") throw new Fault("bad_request", "No command given");
  const environment: Record<string, string> = {};
  for (const [key, value] of Object.entries(config)) {
    if (key.startsWith("environment.")) environment[key.slice("environment.".length)] = value;
  }
  Object.assign(environment, body.environment);
  environment["PATH"] ??= isNixos
    ? "/run/current-system/sw/bin"
    : PATHS + (hasSnaps ? ":/snap/bin" : "");
  if (user === 0) {
    environment["HOME"] ??= "/root";
    environment["USER"] ??= "root";
  }
  environment["LANG"] ??= "C.UTF-8";
  const cwd = body.cwd || environment["HOME"] || "/";
  const texts = [...command, ...Object.entries(environment).flat(), cwd];
  assertShort(command, environment);
  if (texts.some((text) => text.includes("\0"))) {
    throw new Fault("bad_request", "command, environment and cwd can't contain a NUL character");
  }
  const bad = Object.keys(environment).find((key) => key === "" || key.includes("="));
  if (bad !== undefined) throw new Fault("bad_request", `invalid environment variable "${bad}"`);
  return { command, environment, user, group, cwd, isNative: deniesCompat(config) };
}

/** MAX_ARG_STRLEN without its NUL, and a quarter of the usual stack. @see execve(2) */
const TEXT_BYTES_MAX = 128 * 1024 - 1;
const ALL_BYTES_MAX = 2 * 1024 * 1024;
const encoder = new TextEncoder();

/** @throws {Fault} bad_request for more than the kernel gives to a program. */
function assertShort(command: Wish["command"], environment: Wish["environment"]): void {
  const variables = Object.entries(environment);
  const named: (readonly [string, string])[] = [
    ...command.map((text, index) =>
      [index === 0 ? "the command" : `argument ${index}`, text] as const
    ),
    ...variables.map(([key, value]) =>
      [`environment variable "${key}"`, `${key}=${value}`] as const
    ),
  ];
  let all = 0;
  for (const [what, text] of named) {
    const bytes = text.length > TEXT_BYTES_MAX / 3 ? encoder.encode(text).length : text.length;
    all += bytes;
    if (bytes <= TEXT_BYTES_MAX) continue;
    throw new Fault(
      "bad_request",
      `${what} has ${bytes} bytes, the kernel takes at most ${TEXT_BYTES_MAX}`,
      { hint: "Push a file with it, or pass it through standard input." },
    );
  }
  if (all > ALL_BYTES_MAX) {
    throw new Fault(
      "bad_request",
      `command and environment have ${all} bytes together, the kernel takes at most ${ALL_BYTES_MAX}`,
      { hint: "Push a file with them, or pass them through standard input." },
    );
  }
}
