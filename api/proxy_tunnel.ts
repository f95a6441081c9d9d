/** Connections through proxies: CONNECT over TCP (http://) or over TLS (https://). */
import type { Socket } from "node:net";
import { messageOf } from "#base/errors.ts";
import { HANDSHAKE_MS, secure } from "./tls_socket.ts";

const REPLY_BYTES = 64 * 1024;

const DEFAULT_PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };

export interface TunnelOptions {
  /** Authorities that may vouch for an https proxy, as PEM; undefined: the runtime's. */
  readonly roots: string[] | undefined;
}

/** A connection to `to` through a proxy, paused. @throws if the proxy refuses, or doesn't answer. */
export async function tunnel(proxy: URL, to: URL, options: TunnelOptions): Promise<Socket> {
  const target = `${to.hostname}:${to.port || 443}`;
  const fail = (why: string): never => {
    throw new Error(`cannot reach ${target} through the proxy ${proxy.host}: ${why}`);
  };
  const socket = await reach(proxy, options).catch((error) => fail(messageOf(error)));
  try {
    await ask(socket, requestText(proxy, target));
  } catch (error) {
    socket.destroy();
    fail(messageOf(error));
  }
  return socket;
}

async function reach(proxy: URL, { roots }: TunnelOptions): Promise<Socket> {
  const host = proxy.hostname.replace(/^\[|\]$/g, "");
  const port = Number(proxy.port || DEFAULT_PORTS[proxy.protocol]);
  if (proxy.protocol === "https:") {
    return await secure({ host, port }, { ...(roots !== undefined && { ca: roots }) });
  }
  const socket = process.getBuiltinModule("node:net").connect(port, host);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("connect", resolve).once("error", reject);
  const timer = setTimeout(() => socket.destroy(new Error("it does not answer")), HANDSHAKE_MS);
  await promise.finally(() => clearTimeout(timer));
  socket.off("error", reject);
  return socket;
}

function requestText(proxy: URL, target: string): string {
  const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const lines = [`CONNECT ${target} HTTP/1.1`, `Host: ${target}`];
  if (user !== ":") lines.push(`Proxy-Authorization: Basic ${btoa(user)}`);
  return lines.join("\r\n") + "\r\n\r\n";
}

/** @throws unless the answer is 200. */
async function ask(socket: Socket, text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let head = "";
  const read = (piece: Uint8Array) => {
    head += new TextDecoder("latin1").decode(piece);
    const end = head.indexOf("\r\n\r\n");
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1];
    if (end < 0 && head.length <= REPLY_BYTES) return;
    if (end < 0) reject(new Error("its answer is too long"));
    else if (status !== "200") {
      reject(new Error(`it refuses with status ${status ?? "unknown"}`));
    } else if (end + 4 < head.length) reject(new Error("it sent more than an answer"));
    else resolve();
  };
  const ended = () => reject(new Error("it closed the connection"));
  const timer = setTimeout(() => reject(new Error("it does not answer")), HANDSHAKE_MS);
  socket.on("data", read).on("error", reject).on("close", ended).on("end", ended);
  socket.write(text);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    socket.pause();
    socket.off("data", read).off("error", reject).off("close", ended).off("end", ended);
  }
}
