/** Pseudo terminals: made in a container's own devpts, and their size. */
import type { Fd } from "#base/brand.ts";
import { O, openAt, openPath, OwnedFd } from "./fd.ts";
import { check, libc } from "./open.ts";

// <asm-generic/ioctls.h>
const TIOCSPTLCK = 0x40045431n;
const TIOCGPTPEER = 0x5441n;
const TIOCSWINSZ = 0x5414n;

/**
 * A pty of the devpts that `devpts` (a directory descriptor, e.g. liblxc's devpts_fd) is open on;
 * without it of the host. Programs inside see /dev/pts/N.
 */
export function openPty(devpts?: Fd): { readonly master: OwnedFd; readonly slave: OwnedFd } {
  using stack = new DisposableStack();
  const flags = O.RDWR | O.NOCTTY;
  const master = stack.use(
    devpts === undefined ? openPath("/dev/ptmx", flags) : openAt(devpts, "ptmx", flags),
  );
  check(libc().ioctl(master.fd, TIOCSPTLCK, new Int32Array([0])), "unlock pty");
  const slave = new OwnedFd(
    check(ioctlNumber(master.fd, TIOCGPTPEER, O.RDWR | O.NOCTTY | O.CLOEXEC), "open pty peer"),
  );
  stack.move();
  return { master, slave };
}

/** ioctl whose argument is a number: passed as the address it would be. */
function ioctlNumber(fd: Fd, request: bigint, value: number): number {
  return libc().ioctl_number(fd, request, BigInt(value));
}

/** Rows and columns of a terminal. */
export function setWindowSize(terminal: Fd, columns: number, rows: number): void {
  check(libc().ioctl(terminal, TIOCSWINSZ, new Uint16Array([rows, columns, 0, 0])), "resize pty");
}

// <poll.h>
const POLLIN = 1;

/**
 * Whether nothing is to be read of a pty's master while somebody holds the other side. A hang-up, or what
 * the kernel has taken from the other side and not passed on yet, is not idle.
 * @see poll(2)
 */
export function isIdle(master: Fd): boolean {
  const poll = new DataView(new ArrayBuffer(8));
  poll.setInt32(0, master, true);
  poll.setInt16(4, POLLIN, true);
  return check(libc().poll_now(new Uint8Array(poll.buffer), 1n, 0), "look at pty") === 0;
}
