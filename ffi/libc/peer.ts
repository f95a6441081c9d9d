/** Who is at the other end of a unix socket. @see unix(7) SO_PEERCRED */
import type { Fd } from "#base/brand.ts";
import { OwnedFd } from "./fd.ts";
import { check, libc } from "./open.ts";
import { signalPidfd } from "./process.ts";

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_PEERPIDFD = 77;

/** As they were at connect(2), in our namespaces; pid 0 if theirs does not show here. @throws {SysError} */
export function peerCredentials(socket: Fd): { pid: number; uid: number; gid: number } {
  const value = new Int32Array(3);
  const length = new Uint32Array([value.byteLength]);
  check(libc().getsockopt(socket, SOL_SOCKET, SO_PEERCRED, value, length), "getsockopt");
  const [pid = 0, uid = -1, gid = -1] = value;
  return { pid, uid: uid >>> 0, gid: gid >>> 0 };
}

/** A pidfd of the peer; undefined before Linux 6.5, or if it has ended. */
export function peerPidfd(socket: Fd): OwnedFd | undefined {
  const value = new Int32Array([-1]);
  const length = new Uint32Array([value.byteLength]);
  const result = libc().getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, value, length);
  const [pidfd = -1] = value;
  return result === 0 && pidfd >= 0 ? new OwnedFd(pidfd) : undefined;
}

/** Has the process of a pidfd not ended yet? */
export function isAlive(pidfd: Fd): boolean {
  return signalPidfd(pidfd, 0);
}
