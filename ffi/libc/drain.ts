/** What else is there to be read, at once: terminals give at most 4,095 bytes to each read. */
import type { Fd } from "#base/brand.ts";
import { libc } from "./open.ts";

const MOST_BYTES = 64 * 1024;

/**
 * A piece that a stream has read, and after it what is there to be read without waiting, up to 64 KiB in all.
 * For use inside of the stream's `data` event, when the stream keeps nothing that it has read before.
 * @param fd of the stream, which does not block. @see read(2)
 */
export function drain(fd: Fd, piece: Uint8Array): Uint8Array {
  const all = new Uint8Array(MOST_BYTES);
  all.set(piece);
  let length = piece.length;
  while (length < all.length) {
    const rest = all.subarray(length);
    const count = Number(libc().read(fd, rest, BigInt(rest.length)));
    // Nothing more for now; or an end, or an error, which the stream's next read finds too.
    if (count <= 0) break;
    length += count;
  }
  return all.subarray(0, length);
}
