/** What runs in an instance, with which environment, as whom and where. Pure. */
import type { InstanceExecPost } from "#api/routes/instances.ts";
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
  if (texts.some((text) => text.includes("\0"))) {
    throw new Fault("bad_request", "command, environment and cwd can't contain a NUL character");
  }
  const bad = Object.keys(environment).find((key) => key === "" || key.includes("="));
  if (bad !== undefined) throw new Fault("bad_request", `invalid environment variable "${bad}"`);
  return { command, environment, user, group, cwd, isNative: deniesCompat(config) };
}
