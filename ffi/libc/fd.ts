/** File descriptors that close themselves, pipes, and raw fds as streams on the event loop. */
import { type Fd, fd as brandFd } from "#base/brand.ts";
import { check, cstring, libc } from "./open.ts";
import { Socket } from "node:net";
import process from "node:process";

/** <fcntl.h> of x86_64; the aarch64 values of the first two differ. */
const isArm = Deno.build.arch === "aarch64";
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DIRECTORY: isArm ? 0o40000 : 0o200000,
  NOFOLLOW: isArm ? 0o100000 : 0o400000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
} as const;

export const AT_FDCWD = -100;

/** An open file descriptor; `using` closes it. */
export class OwnedFd implements Disposable {
  #fd: Fd | undefined;

  constructor(value: number) {
    this.#fd = brandFd(value);
  }

  /** @throws a bug after it was closed or given away. */
  get fd(): Fd {
    if (this.#fd === undefined) throw new Error("bug: file descriptor used after close");
    return this.#fd;
  }

  /** Give the descriptor to somebody else, who closes it. */
  take(): Fd {
    const value = this.fd;
    this.#fd = undefined;
    return value;
  }

  [Symbol.dispose](): void {
    if (this.#fd === undefined) return;
    libc().close(this.#fd);
    this.#fd = undefined;
  }
}

/** open(2), always O_CLOEXEC. @throws {SysError} */
export function openPath(path: string, flags: number, mode = 0): OwnedFd {
  return new OwnedFd(
    check(libc().open(cstring(path), flags | O.CLOEXEC, mode), "open", `"${path}"`),
  );
}

/** openat(2), always O_CLOEXEC; no protection against symbolic links: see in_root.ts. */
export function openAt(directory: Fd, path: string, flags: number, mode = 0): OwnedFd {
  const result = libc().openat(directory, cstring(path), flags | O.CLOEXEC, mode);
  return new OwnedFd(check(result, "openat", `"${path}"`));
}

const start = new Uint8Array(4096);

/**
 * The first 4096 bytes of a file that the kernel answers from memory, by one pread(2); none if it can't.
 * They are valid until the next call.
 */
export function readFromStart(fd: Fd): Uint8Array<ArrayBuffer> {
  const length = Number(libc().pread(fd, start, BigInt(start.length), 0n));
  return start.subarray(0, Math.max(0, length));
}

/** pipe2(O_CLOEXEC). */
export function pipe(): { readonly reader: OwnedFd; readonly writer: OwnedFd } {
  const fds = new Int32Array(2);
  check(libc().pipe2(fds, O.CLOEXEC), "pipe2");
  return { reader: new OwnedFd(fds[0] ?? -1), writer: new OwnedFd(fds[1] ?? -1) };
}

const AF_UNIX = 1;
const SOCKET_TYPES = { stream: 1, seqpacket: 5 } as const;

/** Two connected unix sockets, close-on-exec. @see socketpair(2) */
export function socketPair(
  type: keyof typeof SOCKET_TYPES = "stream",
): readonly [OwnedFd, OwnedFd] {
  const fds = new Int32Array(2);
  check(libc().socketpair(AF_UNIX, SOCKET_TYPES[type] | O.CLOEXEC, 0, fds), "socketpair");
  return [new OwnedFd(fds[0] ?? -1), new OwnedFd(fds[1] ?? -1)];
}

/** A file without a name, which ends with its last descriptor. @see memfd_create(2) */
export function memoryFile(label: string, content: Uint8Array): OwnedFd {
  const MFD_CLOEXEC = 1;
  const file = new OwnedFd(check(libc().memfd_create(cstring(label), MFD_CLOEXEC), "memfd_create"));
  Deno.writeFileSync(`/proc/self/fd/${file.fd}`, content);
  return file;
}

interface PipeHandle {
  open(fd: number): number;
}

/**
 * A stream on a raw descriptor (pipe, pty, eventfd, inotify) without a thread. The stream owns the
 * descriptor: call `destroy()`, garbage collection does not close it. EIO at the end of a pty is EOF.
 * Say which end of a pipe it is: one that is read from where nothing can come ends at once.
 */
export function fdStream(owned: OwnedFd, direction: "read" | "write" | "both" = "both"): Socket {
  const binding = (process as unknown as {
    binding(name: "pipe_wrap"): {
      Pipe: new (type: number) => PipeHandle;
      constants: { SOCKET: number };
    };
  }).binding("pipe_wrap");
  const handle = new binding.Pipe(binding.constants.SOCKET);
  handle.open(owned.take());
  const readable = direction !== "write";
  const writable = direction !== "read";
  // A paused stream reads no more than it has: the EIO of a pty would take with it what waits here.
  const readableHighWaterMark = 1;
  const options = { handle, readable, writable, allowHalfOpen: true, readableHighWaterMark };
  return new Socket(options as never);
}
