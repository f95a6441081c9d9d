/** Give open descriptors to another process. @see unix(7), cmsg(3) */
import type { Fd } from "#base/brand.ts";
import { check, libc } from "./open.ts";

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;

/** struct cmsghdr of 64 bit: its length in 8 bytes, level, type; the descriptors follow. */
const HEADER_BYTES = 16;
const FDS_MAX = 8;

/**
 * One message for all calls, which are synchronous: a byte, and control data. All on buffers of their own:
 * V8 keeps small arrays without one in its heap, and moves them.
 */
const byte = new Uint8Array(new ArrayBuffer(1));
const control = new DataView(new ArrayBuffer(HEADER_BYTES + 4 * FDS_MAX));
const vector = new BigUint64Array(new ArrayBuffer(16));
/** struct msghdr: name, its length, vector, its length, control, its length, flags. */
const header = new BigUint64Array(7);
const message = new Uint8Array(header.buffer);

function addressOf(memory: ArrayBufferView<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory));
}

/**
 * Send a byte and descriptors, 1 to 8 of them. Waits while the socket is full; the caller keeps its own.
 * @throws {SysError} EPIPE if nobody is there any more.
 */
export function sendFds(socket: Fd, value: number, fds: readonly Fd[]): void {
  const length = HEADER_BYTES + 4 * fds.length;
  byte[0] = value;
  control.setBigUint64(0, BigInt(length), true);
  control.setInt32(8, SOL_SOCKET, true);
  control.setInt32(12, SCM_RIGHTS, true);
  fds.forEach((fd, index) => control.setInt32(HEADER_BYTES + 4 * index, fd, true));
  // Each time: what is known by its address only is garbage.
  vector.set([addressOf(byte), 1n]);
  header.set([0n, 0n, addressOf(vector), 1n, addressOf(control), BigInt(length), 0n]);
  check(libc().sendmsg(socket, message, MSG_NOSIGNAL), "sendmsg");
}
