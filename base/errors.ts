/**
 * Typed errors. A `Fault` is an expected failure: it has a stable code (its kind), a message
 * ("cannot <action> <thing> "<name>": <state>"), optionally a hint that says what to do and a cause.
 * The HTTP status of a reply is derived from the kind and from nothing else.
 */

/** Kind of a Fault -> HTTP status. The kind is the stable code that scripts may rely on. */
export const FAULT_STATUS = {
  bad_request: 400,
  not_authorized: 403,
  not_found: 404,
  conflict: 409,
  precondition_failed: 412,
  too_large: 413,
  internal: 500,
  not_implemented: 501,
  unavailable: 503,
  no_space: 507,
} as const;

export type FaultKind = keyof typeof FAULT_STATUS;

export interface FaultOptions {
  readonly cause?: unknown;
  /** What the user can do about it, one sentence. */
  readonly hint?: string;
}

/** An expected failure with a stable code. */
export class Fault extends Error {
  readonly hint: string | undefined;

  constructor(readonly kind: FaultKind, message: string, options: FaultOptions = {}) {
    super(message, { cause: options.cause });
    this.name = "Fault";
    this.hint = options.hint;
  }

  /** HTTP status that belongs to the kind. */
  get status(): number {
    return FAULT_STATUS[this.kind];
  }
}

/** Is it a Fault of this kind? */
export function isFaultOf(error: unknown, kind: FaultKind): error is Fault {
  return error instanceof Fault && error.kind === kind;
}

/** Failed system call. `errno` never becomes an HTTP status by itself: translate it into a Fault. */
export class SysError extends Error {
  constructor(readonly call: string, readonly errno: number, readonly subject = "") {
    super(`${call}${subject === "" ? "" : ` ${subject}`}: ${errnoName(errno)}`);
    this.name = "SysError";
  }

  /** Symbolic name, e.g. "ENOENT". */
  get code(): string {
    return errnoName(this.errno);
  }
}

/** liblxc refused; its reason is only in the container's log. */
export class LxcError extends Error {
  constructor(readonly action: string, readonly instance: string, options: ErrorOptions = {}) {
    super(`liblxc could not ${action} "${instance}"`, options);
    this.name = "LxcError";
  }
}

/** A subprocess failed. */
export class ExecError extends Error {
  constructor(
    readonly argv: readonly string[],
    readonly exitCode: number,
    readonly stderrTail: string,
  ) {
    super(`${argv[0]} failed with exit code ${exitCode}: ${stderrTail.trim()}`);
    this.name = "ExecError";
  }
}

/** Constants of <asm-generic/errno.h> that this program reacts to or names in messages. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  ECHILD: 10,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENOTTY: 25,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  EPIPE: 32,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  ECONNRESET: 104,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  ESTALE: 116,
  EDQUOT: 122,
} as const;

/** "ENOENT" for 2; "errno 999" for one without a name here. */
function errnoName(errno: number): string {
  for (const [name, value] of Object.entries(ERRNO)) if (value === errno) return name;
  return `errno ${errno}`;
}

/** Is it a SysError with one of these errno values? */
export function isErrno(error: unknown, ...values: number[]): error is SysError {
  return error instanceof SysError && values.includes(error.errno);
}

/** A bug if `condition` is false: the request fails with 500 and the log gets the stack. */
export function assert(condition: unknown, whatMustHold: string): asserts condition {
  if (!condition) throw new Error(`bug: ${whatMustHold}`);
}

/** For the end of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new Error(`bug: unexpected value ${JSON.stringify(value)}`);
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
