/** Between websockets and descriptors, with backpressure both ways: nothing piles up in the daemon. */
import type { WebSocket } from "#daemon/http/websocket.ts";
import type { Socket } from "node:net";
import type { Duplex, Writable } from "node:stream";

/** What may wait for the peer; stopping and going on for each piece would cost more than copying it. */
const PAUSE_BYTES = 1024 * 1024;
const RESUME_BYTES = 256 * 1024;

/** Its websocket is paused until somebody listens. */
export interface Peer {
  readonly websocket: WebSocket;
  /** The connection below it: it knows whether the peer keeps up. */
  readonly socket: Duplex;
}

/**
 * Send all that comes, then the empty text that means "end of file". Settles when that is sent, or
 * when the peer has gone: then the stream is closed, and whoever writes into it notices.
 */
export async function sendAll(from: Socket, { websocket }: Peer): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const onSent = () => {
    if (from.isPaused() && websocket.bufferedAmount < RESUME_BYTES) from.resume();
  };
  const onData = (chunk: Uint8Array) => {
    websocket.send(chunk, { binary: true }, onSent);
    if (websocket.bufferedAmount > PAUSE_BYTES) from.pause();
  };
  const onEnd = () => websocket.send("", { binary: false }, () => resolve());
  const onGone = () => {
    from.destroy();
    resolve();
  };
  from.on("data", onData);
  from.once("end", onEnd);
  // EIO is the end of a pty.
  from.once("error", onEnd);
  websocket.once("close", onGone);
  websocket.resume();
  if (websocket.readyState !== websocket.OPEN) onGone();
  await promise;
  websocket.removeListener("close", onGone);
}

/** Write all that comes into `to`, until the peer says "end of file" or goes. */
export async function receiveAll({ websocket }: Peer, to: Writable): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let isWanted = true;
  const resume = () => websocket.resume();
  const onMessage = (data: unknown, isBinary: boolean) => {
    const bytes = data as Uint8Array;
    if (!isBinary && bytes.length === 0) return resolve();
    if (isWanted && !to.write(bytes)) websocket.pause();
  };
  websocket.on("message", onMessage);
  websocket.once("close", () => resolve());
  to.on("drain", resume);
  // EPIPE: nobody reads any more. What still comes is dropped.
  const onUnwanted = () => {
    isWanted = false;
    resume();
  };
  to.once("error", onUnwanted);
  to.once("close", onUnwanted);
  websocket.resume();
  if (websocket.readyState !== websocket.OPEN) resolve();
  await promise;
}
