/** Between the standard streams and websockets, with backpressure both ways. */
import type { WebSocketConnection } from "#api/websocket.ts";

const CHUNK_BYTES = 256 * 1024;

/** Something to read bytes from; null at its end. */
export interface Source {
  read(into: Uint8Array): Promise<number | null>;
}

/** Something to write bytes to. */
export interface Sink {
  write(bytes: Uint8Array): Promise<number>;
}

/** A source that has ended. */
export const NOTHING: Source = { read: () => Promise.resolve(null) };

/** Send what can be read, then an empty text message, which means "end of file". */
export async function sendAll(source: Source, socket: WebSocketConnection): Promise<void> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  try {
    for (;;) {
      const count = await source.read(buffer);
      if (count === null) return await socket.send("", "text");
      await socket.send(buffer.subarray(0, count));
    }
  } catch (error) {
    if (!isGone(error)) throw error;
    // The program has closed its input: what is left has no reader.
  }
}

/** Write what arrives, until the other side says "end of file" or goes. */
export async function receiveAll(socket: WebSocketConnection, sink: Sink): Promise<void> {
  for (;;) {
    const piece = await next(socket);
    if (piece === undefined || piece.kind === "text" && piece.data.length === 0) return;
    await writeAll(sink, piece.data);
  }
}

/** Write all of it. */
export async function writeAll(sink: Sink, data: Uint8Array): Promise<void> {
  for (let offset = 0; offset < data.length;) {
    offset += await sink.write(offset === 0 ? data : data.subarray(offset));
  }
}

/** Read and drop: pings get their answers that way. Ends with the connection. */
export async function drain(socket: WebSocketConnection): Promise<void> {
  while (await next(socket) !== undefined);
}

/** What comes next; undefined if the other side has gone. */
export async function next(socket: WebSocketConnection) {
  try {
    return await socket.read();
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted ||
    error instanceof Error && error.name === "UnexpectedEnd";
}
