/** The two channels of a migration, opened by this daemon or by the other side. */
import { Fault, messageOf } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { PendingSockets } from "#daemon/guest/pending_sockets.ts";
import { peerOf } from "#daemon/guest/streams.ts";
import type { WebSocket } from "#daemon/http/websocket.ts";
import type { RemoteHttp } from "#daemon/images/remote/http.ts";
import type { OperationStart } from "#daemon/operations/operation.ts";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type Channel, ChannelClosed, incoming, outgoing, receiveMessage } from "./channel.ts";
import { decodeControl, decodeHeader, encodeControl, type Header } from "./proto.ts";

export interface Session extends Disposable {
  readonly control: Channel;
  readonly fs: Channel;
}

/** Opens the channels when the operation runs. */
export type Open = (signal: AbortSignal) => Promise<Session>;

/** Where the other side waits: its operation, and the secrets of its websockets. */
export interface Peer {
  readonly operation?: string | undefined;
  readonly certificate?: string | undefined;
  readonly secrets?: Readonly<Record<string, string>> | undefined;
}

/** What an operation needs to be connected to, and the session once it is. */
export interface Waiting {
  readonly start: Pick<OperationStart, "class" | "metadata" | "connect">;
  readonly open: Open;
}

/** Finishes the handshake of a websocket. */
export type Accept = (
  request: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
  options: { readonly paused: boolean },
) => Promise<WebSocket>;

const NAMES = ["control", "fs"];

function sessionOf(control: Channel, fs: Channel): Session {
  return {
    control,
    fs,
    [Symbol.dispose]() {
      fs.close();
      control.close();
    },
  };
}

/** The other side connects to our operation. */
export function awaitPeer(accept: Accept): Waiting {
  const sockets = new PendingSockets(NAMES);
  return {
    start: {
      class: "websocket",
      metadata: sockets.secrets,
      connect: async (secret, socket, head, request) => {
        const name = sockets.claim(secret);
        const websocket = await accept(request as IncomingMessage, socket, head, {
          paused: true,
        });
        sockets.arrive(name, peerOf(websocket, socket));
      },
    },
    async open(signal) {
      await sockets.require(NAMES, signal);
      const [control, fs] = await Promise.all(NAMES.map((name) => sockets.peer(name)));
      if (control === undefined || fs === undefined) throw new Error("bug: a socket is missing");
      return sessionOf(incoming(control.websocket), incoming(fs.websocket));
    },
  };
}

/** We connect to the operation of the other side. @throws {Fault} bad_request, unavailable */
export async function connectPeer(http: RemoteHttp, peer: Peer): Promise<Session> {
  const match = /^(https:\/\/[^/]+)(\/1\.0\/operations\/[\w-]+)/.exec(peer.operation ?? "");
  const [, server, path] = match ?? [];
  const { control, fs } = peer.secrets ?? {};
  if (server === undefined || path === undefined || control === undefined || fs === undefined) {
    throw new Fault("bad_request", "the migration names no operation with secrets to connect to");
  }
  const client = http.client(server, { certificate: peer.certificate ?? "", direct: true });
  const open = async (secret: string) => {
    const late = AbortSignal.timeout(LIMITS.websocketConnectMs * 2);
    const { promise, reject } = Promise.withResolvers<never>();
    late.addEventListener(
      "abort",
      () => reject(new Fault("unavailable", `cannot connect to ${server}: it does not answer`)),
    );
    return outgoing(
      await Promise.race([client.websocket(`${path}/websocket`, { secret }), promise]),
    );
  };
  try {
    return sessionOf(await open(control), await open(fs));
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("unavailable", `cannot connect to ${server}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Run the receiving side: both sides learn how it ended. The session is closed afterwards. */
export async function asSink(
  open: Open,
  signal: AbortSignal,
  run: (session: Session) => Promise<void>,
): Promise<void> {
  using session = await open(signal);

  await untilAborted(session, signal, async () => {
    await run(session);
    await sendControl(session, "");
  });
}

/** Run the sending side, which ends when the other side says so. @throws {Fault} with its reason. */
export async function asSource(
  session: Session,
  signal: AbortSignal,
  run: () => Promise<void>,
): Promise<void> {
  await untilAborted(session, signal, async () => {
    try {
      await run();
    } catch (error) {
      // The other side says why before it closes its channels, which fails here in many ways.
      await toldReason(session);
      throw error;
    }
    await awaitControl(session);
  });
}

const REASON_MS = 2000;

/** @throws {Fault} unavailable with what the other side said, if it did. */
async function toldReason(session: Session): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, REASON_MS);
  const told = awaitControl(session).catch((error) => {
    if (!(error instanceof ChannelClosed)) throw error;
  });
  try {
    await Promise.race([told, late]);
  } finally {
    clearTimeout(timer);
    told.catch(() => undefined); // Too late to count.
  }
}

async function untilAborted(
  session: Session,
  signal: AbortSignal,
  run: () => Promise<void>,
): Promise<void> {
  const stop = () => session[Symbol.dispose]();
  signal.addEventListener("abort", stop, { once: true });
  try {
    await run();
  } catch (error) {
    await sendControl(session, messageOf(error));
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** The header of the other side, or why it sends none. @throws {Fault} unavailable, bad_request */
export async function receiveHeader({ control }: Session): Promise<Header> {
  const data = await receiveMessage(control);
  const { success, message } = decodeControl(data);
  if (!success && message !== "") throw failure(message);
  return decodeHeader(data);
}

/** Tell the other side how it ended. */
async function sendControl({ control }: Session, message: string): Promise<void> {
  await control.send(encodeControl({ success: message === "", message }))
    .catch(() => undefined); // Ignored: gone without waiting for it.
}

/** Wait for what the other side says of the end. @throws {Fault} unavailable with its reason. */
async function awaitControl({ control }: Session): Promise<void> {
  const { success, message } = decodeControl(await receiveMessage(control));
  if (!success) throw failure(message);
}

function failure(message: string): Fault {
  return new Fault("unavailable", `Error transferring instance data: ${message}`);
}
