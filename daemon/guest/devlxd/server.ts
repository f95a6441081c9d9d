/**
 * /dev/lxd/sock: a small API for the root of each container about its own container. The callers are
 * hostile: each connection belongs to one container for its whole life, and their number is bounded.
 */
import { type Fd, fd as brandFd, type HostPath } from "#base/brand.ts";
import { LIMITS } from "#base/limits.ts";
import type { WebSocket } from "#daemon/http/websocket.ts";
import { keepFromChildren } from "#ffi/libc/listener.ts";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Answer, answer, type Guest, type GuestEvent, refusal } from "./answer.ts";
import { findCaller, type Found, type RunningInit } from "./caller.ts";

/** What the server needs of the rest of the daemon. */
export interface DevlxdView {
  running(): Promise<readonly RunningInit[]>;
  /** Undefined: it is gone, or its configuration forbids /dev/lxd. */
  guest(id: number): Promise<Guest | undefined>;
  sendImage(guest: Guest, fingerprint: string, response: ServerResponse): Promise<void>;
  acceptWebsocket(request: IncomingMessage, socket: Duplex, head: Uint8Array): Promise<WebSocket>;
  onError(what: string, error: unknown): void;
}

interface Listener {
  readonly id: number;
  readonly types: readonly string[];
  /** False: it can't follow. */
  readonly send: (frame: string) => boolean;
  readonly end: () => void;
}

export interface Devlxd {
  /** Tell the listeners inside an instance. */
  send(id: number, events: readonly GuestEvent[]): void;
  close(): Promise<void>;
}

/** Replaces a socket of an earlier daemon; closing it ends all connections. */
export async function serveDevlxd(path: HostPath, view: DevlxdView): Promise<Devlxd> {
  const listeners = new Set<Listener>();
  const callers = new WeakMap<object, Promise<Found | undefined>>();
  const counts = new Map<number, number>();
  const server = createServer({ maxHeaderSize: LIMITS.devlxdHeaderBytes });
  server.requestTimeout = LIMITS.devlxdRequestMs;
  server.headersTimeout = LIMITS.devlxdRequestMs;

  server.on("connection", (socket: Socket) => {
    callers.set(socket, identify(socket, { view, counts }));
  });
  const respond = async (request: IncomingMessage): Promise<{ guest?: Guest; said: Answer }> => {
    const found = await callers.get(request.socket);
    const guest = found === undefined ? undefined : await view.guest(found.id);
    if (guest === undefined) return { said: refusal(401, "not authorized") };
    if (found?.isRoot !== true) return { said: refusal(401, "Access denied for non-root user") };
    const target = `http://lxd${request.url?.startsWith("/") ? request.url : "/"}`;
    if (!URL.canParse(target)) return { said: refusal(400, "bad request") };
    return { guest, said: answer(guest, new URL(target)) };
  };
  server.on("request", (request, response) => {
    void respond(request).then(async ({ guest, said }) => {
      if (said.kind === "events" && guest !== undefined) {
        return streamEvents(response, { id: guest.id, types: said.types, listeners });
      }
      if (said.kind !== "image" || guest === undefined) return sendAnswer(response, said);
      await view.sendImage(guest, said.fingerprint, response);
    }).catch((error) => {
      view.onError("answer on /dev/lxd", error);
      response.destroy();
    });
  });
  server.on("upgrade", (request, socket: Duplex, head) => {
    socket.on("error", () => socket.destroy());
    void respond(request).then(async ({ guest, said }) => {
      if (said.kind !== "events" || guest === undefined) return void socket.destroy();
      const websocket = await view.acceptWebsocket(request, socket, head);
      const { id } = guest;
      const listener: Listener = {
        id,
        types: said.types,
        send(frame) {
          websocket.send(frame);
          return websocket.bufferedAmount < LIMITS.devlxdQueueBytes;
        },
        end: () => websocket.terminate(),
      };
      listeners.add(listener);
      websocket.once("close", () => listeners.delete(listener));
    }).catch((error) => {
      view.onError("answer on /dev/lxd", error);
      socket.destroy();
    });
  });
  server.on("clientError", (_error, socket: Duplex) => socket.destroy());

  await listen(server, path);
  return {
    send(id, events) {
      for (const listener of listeners) {
        if (listener.id === id && !tell(listener, events)) listener.end();
      }
    },
    async close() {
      const { promise, resolve } = Promise.withResolvers<void>();
      for (const { end } of listeners) end();
      server.close(() => resolve());
      server.closeAllConnections();
      await promise;
    },
  };
}

async function identify(
  socket: Socket,
  { view, counts }: { view: DevlxdView; counts: Map<number, number> },
): Promise<Found | undefined> {
  const descriptor = descriptorOf(socket);
  const found = descriptor === undefined ? undefined : findCaller(descriptor, await view.running());
  if (found === undefined) return undefined;
  const count = counts.get(found.id) ?? 0;
  if (count >= LIMITS.devlxdConnections) {
    socket.destroy();
    return undefined;
  }
  counts.set(found.id, count + 1);
  socket.once("close", () => {
    const left = (counts.get(found.id) ?? 1) - 1;
    if (left === 0) counts.delete(found.id);
    else counts.set(found.id, left);
  });
  return socket.destroyed ? undefined : found;
}

function descriptorOf(socket: Socket): Fd | undefined {
  const { _handle } = socket as { _handle?: { fd: number } | null };
  return _handle == null || _handle.fd < 0 ? undefined : brandFd(_handle.fd);
}

async function listen(server: ReturnType<typeof createServer>, path: HostPath): Promise<void> {
  await Deno.remove(path).catch(() => undefined); // Of a daemon before this one.
  const before = Deno.umask(0o000);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ path }, () => resolve());
  Deno.umask(before);
  await promise;
  server.removeListener("error", reject);
  keepFromChildren(server);
  await Deno.chmod(path, 0o666);
}

function tell({ types, send }: Listener, events: readonly GuestEvent[]): boolean {
  return events.filter(({ type }) => types.includes(type)).every(({ type, metadata }) =>
    send(JSON.stringify({ type, timestamp: new Date().toISOString(), metadata }))
  );
}

/** Without a websocket: a line for each event, for ever. */
function streamEvents(
  response: ServerResponse,
  { id, types, listeners }: {
    readonly id: number;
    readonly types: readonly string[];
    readonly listeners: Set<Listener>;
  },
): void {
  response.writeHead(200, { "Content-Type": "application/json" });
  response.flushHeaders();
  const listener: Listener = {
    id,
    types,
    send(frame) {
      response.write(`${frame}\n`);
      return response.writableLength < LIMITS.devlxdQueueBytes;
    },
    end: () => response.destroy(),
  };
  listeners.add(listener);
  response.once("close", () => listeners.delete(listener));
}

function sendAnswer(response: ServerResponse, said: Answer): void {
  switch (said.kind) {
    case "json":
      return send(response, "application/json", `${JSON.stringify(said.value)}\n`);
    case "text":
      return send(response, "application/octet-stream", said.text);
    case "refusal":
      response.statusCode = said.status;
      return send(response, "text/plain; charset=utf-8", `${said.text}\n`);
    case "image":
    case "events":
      return void response.destroy();
  }
}

function send(response: ServerResponse, type: string, text: string): void {
  response.setHeader("Content-Type", type);
  response.setHeader("Content-Length", Buffer.byteLength(text));
  response.end(text);
}
