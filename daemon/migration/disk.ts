/** Disks through a channel: their bytes as they are, up to the end of the stream. */
import type { HostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { type Channel, endStream, stream } from "./channel.ts";

const PIECE_BYTES = 256 * 1024;

/** Send a file or block device. */
export async function sendDisk(
  channel: Channel,
  source: HostPath,
  signal: AbortSignal,
): Promise<void> {
  using file = await Deno.open(source);
  for (;;) {
    signal.throwIfAborted();
    // Each piece is its own: the channel may still hold the one before.
    const piece = new Uint8Array(PIECE_BYTES);
    const size = await file.read(piece);
    if (size === null) break;
    await channel.send(piece.subarray(0, size));
  }
  await endStream(channel);
}

/**
 * Write what the other side sends over a file or block device. Zeros become holes in a file.
 *
 * @throws {Fault} no_space, bad_request if more comes than fits.
 */
export async function receiveDisk(
  channel: Channel,
  target: HostPath,
  signal: AbortSignal,
): Promise<void> {
  using file = await Deno.open(target, { read: true, write: true });
  const { isFile, size } = await file.stat();
  const sizeBytes = isFile ? size : await file.seek(0, Deno.SeekMode.End);
  if (isFile) {
    await file.truncate(0);
    await file.truncate(sizeBytes);
  }
  let at = 0;
  for await (const piece of stream(channel)) {
    signal.throwIfAborted();
    if (at + piece.length > sizeBytes) {
      throw new Fault(
        "bad_request",
        `the disk is larger than the ${sizeBytes} bytes of the volume`,
      );
    }
    if (!isFile || piece.some((byte) => byte !== 0)) await writeAt(file, piece, at);
    at += piece.length;
  }
  await file.syncData();
}

async function writeAt(file: Deno.FsFile, piece: Uint8Array, at: number): Promise<void> {
  await file.seek(at, Deno.SeekMode.Start);
  for (let done = 0; done < piece.length;) {
    try {
      done += await file.write(piece.subarray(done));
    } catch (error) {
      if (!/No space left|quota exceeded/i.test((error as Error).message)) throw error;
      throw new Fault("no_space", "no space left on the storage pool", { cause: error });
    }
  }
}
