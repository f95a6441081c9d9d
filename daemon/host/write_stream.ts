/** Files out of streams. */
import type { HostPath } from "#base/brand.ts";
import { frugal } from "./frugal.ts";

/**
 * A new file of mode 0600 with all that comes. The next piece is read when the one before is written:
 * nothing waits in memory, however slow the disk is.
 *
 * @param each Is shown every piece, in order.
 * @returns bytes written.
 */
export async function writeStream(
  source: AsyncIterable<Uint8Array>,
  path: HostPath,
  each: (piece: Uint8Array) => void = () => {},
): Promise<number> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true, mode: 0o600 });
  let size = 0;
  for await (const piece of frugal(source)) {
    each(piece);
    size += piece.length;
    for (let at = 0; at < piece.length;) at += await file.write(piece.subarray(at));
  }
  return size;
}
