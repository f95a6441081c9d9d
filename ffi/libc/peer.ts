/** Who is at the other end of a unix socket. @see unix(7) SO_PEERCRED */
import type { Fd } from "#base/brand.ts";
import { check, libc } from "./open.ts";

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

export function peerCredentials(socket: Fd): { pid: number; uid: number; gid: number } {
  const value = new Int32Array(3);
  const length = new Uint32Array([value.byteLength]);
  check(libc().getsockopt(socket, SOL_SOCKET, SO_PEERCRED, value, length), "getsockopt");
  const [pid = 0, uid = -1, gid = -1] = value;
  return { pid, uid: uid >>> 0, gid: gid >>> 0 };
}
