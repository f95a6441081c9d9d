/** Types for values that are easily mixed up. Only the constructor functions here cast, and they validate. */
import { assert } from "./errors.ts";

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Absolute path in the host's mount namespace. */
export type HostPath = Brand<string, "HostPath">;
/** Path inside a container: hostile, only ever resolved with RESOLVE_IN_ROOT below a held directory. */
export type GuestPath = Brand<string, "GuestPath">;
/** Process id, always > 0: -1 and 0 would signal groups of processes. */
export type Pid = Brand<number, "Pid">;
/** Open file descriptor, >= 0. */
export type Fd = Brand<number, "Fd">;

/** @throws a bug if `path` is not absolute or has a NUL byte. */
export function hostPath(path: string): HostPath {
  assert(
    path.startsWith("/") && !path.includes("\0"),
    `host path ${JSON.stringify(path)} is absolute`,
  );
  return path as HostPath;
}

/** A path as the instance sees it: hostile, to be opened by ffi/libc/in_root.ts only. */
export function guestPath(path: string): GuestPath {
  assert(!path.includes("\0"), "guest path has no NUL byte");
  return path as GuestPath;
}

/** Never 0 or negative: to kill(2) those are groups, or everybody. */
export function pid(value: number): Pid {
  assert(Number.isInteger(value) && value > 0, `pid ${value} is positive`);
  return value as Pid;
}

/** Of this process; who closes it is for others to say. */
export function fd(value: number): Fd {
  assert(Number.isInteger(value) && value >= 0, `fd ${value} is not negative`);
  return value as Fd;
}
