/** Files of the host as bodies of replies. */
import type { HostPath } from "#base/brand.ts";
import type { ServerResponse } from "node:http";
import { collector } from "./frugal.ts";

const PIECE_BYTES = 1 << 20;

/** Which bytes of a file, and whether they end the reply. */
export interface Extent {
  /** Of the first byte. Default: 0. */
  readonly offset?: number;
  /** Default: all that follow. */
  readonly size?: number;
  readonly isLast?: boolean;
}

/**
 * `size` bytes of a file from `offset` on as the body of a reply, or as a part of it; no more than
 * was announced: logs grow. The last piece ends the reply: a client that has all of it may ask for
 * more at once, and over TLS this runtime never sends the answer to what arrives before the end.
 *
 * @throws if the client goes away, or the file is shorter.
 */
export async function sendBytes(
  response: ServerResponse,
  path: HostPath,
  { offset = 0, size, isLast = true }: Extent = {},
): Promise<void> {
  using file = await Deno.open(path);
  let left = size ?? (await file.stat()).size - offset;
  if (offset > 0) await file.seek(offset, Deno.SeekMode.Start);
  if (left === 0 && isLast) response.end();
  const collect = collector();
  while (left > 0) {
    const piece = new Uint8Array(Math.min(left, PIECE_BYTES));
    const read = await file.read(piece);
    if (read === null) throw new Error("the file is shorter than it was");
    left -= read;
    const bytes = piece.subarray(0, read);
    if (left === 0 && isLast) response.end(bytes);
    else if (!response.write(bytes)) await drained(response);
    collect(read);
  }
}

function drained(response: ServerResponse): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const gone = () => reject(new Error("the client went away"));
  response.once("drain", resolve);
  response.once("close", gone);
  return promise.finally(() => response.off("drain", resolve).off("close", gone));
}
