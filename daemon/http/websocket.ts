/** Websockets of the daemon. Only this file imports ws. */
import { LIMITS } from "#base/limits.ts";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";

export type { WebSocket };

const server = new WebSocketServer({ noServer: true, perMessageDeflate: false });

/**
 * Finish the handshake of an upgrade request. Pings every 10 s keep proxies and idle links open.
 * One that is `paused` gives nothing until `resume()`: what came early waits for its listener.
 */
export function acceptWebsocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
  options: { readonly paused?: boolean } = {},
): Promise<WebSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket>();
  socket.once("error", reject);
  server.handleUpgrade(request, socket, Buffer.from(head), (websocket) => {
    socket.removeListener("error", reject);
    if (options.paused === true) websocket.pause();
    const ping = setInterval(() => websocket.ping(), LIMITS.websocketPingMs);
    websocket.on("close", () => clearInterval(ping));
    websocket.on("error", () => websocket.terminate());
    resolve(websocket);
  });
  return promise;
}
