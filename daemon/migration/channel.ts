/**
 * A websocket between two servers, whichever of them opened it. Streams are binary messages up to an
 * empty text, which ends one stream; the next may follow.
 */
import type { WebSocketConnection } from "#api/websocket.ts";
import { Fault } from "#base/errors.ts";
import type { WebSocket } from "#daemon/http/websocket.ts";

export interface Message {
  readonly kind: "text" | "binary";
  readonly data: Uint8Array;
}

export interface Channel {
  /** undefined: the other side has closed it. */
  next(): Promise<Message | undefined>;
  send(data: Uint8Array, kind?: "text" | "binary"): Promise<void>;
  close(): void;
}

/** One that this daemon opened. */
export function outgoing(socket: WebSocketConnection): Channel {
  return {
    next: () => socket.message(),
    send: (data, kind = "binary") => socket.send(data, kind),
    close() {
      void socket.close()
        .catch(() => undefined) // Ignored: the other side is gone.
        .finally(() => socket[Symbol.dispose]());
    },
  };
}

const QUEUE_MAX = 16;

/** One that was opened to this daemon, still paused. */
export function incoming(socket: WebSocket): Channel {
  const queue: Message[] = [];
  let isOver = false;
  let wake = () => {};
  socket.on("message", (data: Uint8Array, isBinary: boolean) => {
    queue.push({ kind: isBinary ? "binary" : "text", data: new Uint8Array(data) });
    if (queue.length >= QUEUE_MAX) socket.pause();
    wake();
  });
  socket.on("close", () => {
    isOver = true;
    wake();
  });
  socket.resume();
  return {
    async next() {
      while (queue.length === 0) {
        if (isOver) return undefined;
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
      const message = queue.shift();
      if (queue.length < QUEUE_MAX / 2 && socket.isPaused) socket.resume();
      return message;
    },
    send(data, kind = "binary") {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      socket.send(
        data,
        { binary: kind === "binary" },
        // It closes or has closed: the other side may have said why.
        (error) => error ? reject(new ChannelClosed()) : resolve(),
      );
      return promise;
    },
    close: () => socket.close(1000),
  };
}

/** The bytes of one stream. @throws {ChannelClosed} if the connection ends first. */
export async function* stream(channel: Channel): AsyncGenerator<Uint8Array> {
  for (;;) {
    const message = await channel.next();
    if (message === undefined) throw new ChannelClosed();
    if (message.kind === "text") return;
    yield message.data;
  }
}

/** The other side's reading ends; this one may still read. */
export async function endStream(channel: Channel): Promise<void> {
  await channel.send(new Uint8Array(), "text");
}

const JSON_BYTES_MAX = 16 * 1024 * 1024;

/** A stream that is a text. @throws {Fault} bad_request if it is too long. */
export async function readText(channel: Channel): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of stream(channel)) {
    text += decoder.decode(piece, { stream: true });
    if (text.length > JSON_BYTES_MAX) {
      throw new Fault("bad_request", "the other server sent too long a description");
    }
  }
  return text;
}

/** A stream of its own, in UTF-8. */
export async function writeText(channel: Channel, text: string): Promise<void> {
  await channel.send(new TextEncoder().encode(text));
  await endStream(channel);
}

/** One binary message. @throws {Fault} unavailable */
export async function receiveMessage(channel: Channel): Promise<Uint8Array> {
  const message = await channel.next();
  if (message === undefined) throw new ChannelClosed();
  return message.data;
}

/** The connection ended before its time. */
export class ChannelClosed extends Fault {
  constructor() {
    super("unavailable", "the other server closed the connection of the migration", {
      hint: "Its log tells why.",
    });
  }
}
