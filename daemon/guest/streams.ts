/** Between websockets and descriptors, with backpressure both ways: nothing piles up in the daemon. */
import type { Fd } from "#base/brand.ts";
import type { WebSocket } from "#daemon/http/websocket.ts";
import { drain } from "#ffi/libc/drain.ts";
import type { Socket } from "node:net";
import type { Duplex, Writable } from "node:stream";

/** What may wait for the peer; stopping and going on for each piece would cost more than copying it. */
const PAUSE_BYTES = 1024 * 1024;
const RESUME_BYTES = 256 * 1024;

/** A terminal that gives as much to one read, 4,095 bytes at most, is likely to have more. */
const MANY_BYTES = 1024;

/** The other end of a stream. Its websocket is paused until somebody listens. */
export interface Peer {
  readonly websocket: WebSocket;
  /** The connection below it: it knows whether the peer keeps up. */
  readonly socket: Duplex;
  listen(onMessage: (data: Uint8Array, isBinary: boolean) => void): void;
  send(bytes: Uint8Array, onSent: () => void): void;
  /** Say that nothing more comes. */
  end(onSent: () => void): void;
}

/** One that has the websocket for itself: LXD's way. */
export function peerOf(websocket: WebSocket, socket: Duplex): Peer {
  return {
    websocket,
    socket,
    listen: (onMessage) => void websocket.on("message", onMessage),
    send: (bytes, onSent) => websocket.send(bytes, { binary: true }, onSent),
    end: (onSent) => websocket.send("", { binary: false }, onSent),
  };
}

/**
 * Send all that comes, then that it was all. Settles when that is sent, or when the peer has gone:
 * then the stream is closed, and whoever writes into it notices.
 * @param terminal the descriptor that is read from, if it gives what it has in small pieces only.
 */
export async function sendAll(from: Socket, peer: Peer, terminal?: Fd): Promise<void> {
  const { websocket } = peer;
  const { promise, resolve } = Promise.withResolvers<void>();
  const onSent = () => {
    if (from.isPaused() && websocket.bufferedAmount < RESUME_BYTES) from.resume();
  };
  const onData = (chunk: Uint8Array) => {
    // What a paused stream has read already comes before what the terminal has yet.
    const isLast = chunk.length >= MANY_BYTES && from.readableLength === 0;
    peer.send(terminal !== undefined && isLast ? drain(terminal, chunk) : chunk, onSent);
    if (websocket.bufferedAmount > PAUSE_BYTES) from.pause();
  };
  const onEnd = () => peer.end(resolve);
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
export async function receiveAll(peer: Peer, to: Writable): Promise<void> {
  const { websocket } = peer;
  const { promise, resolve } = Promise.withResolvers<void>();
  let isWanted = true;
  const resume = () => websocket.resume();
  const onMessage = (bytes: Uint8Array, isBinary: boolean) => {
    if (!isBinary && bytes.length === 0) return resolve();
    if (isWanted && !to.write(bytes)) websocket.pause();
  };
  peer.listen(onMessage);
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
