/**
 * The PROXY header (version 1), by which a proxy in front of us says whose connection it hands on.
 * It counts from trusted proxies only; from these it may be left out.
 * @see https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt
 */
import { parseAddress } from "#base/ip.ts";
import type { Server, Socket } from "node:net";
import { formatAddress } from "./address.ts";

/** Whom a connection comes from: "192.0.2.1:1234". "unknown": the proxy does not say. */
export interface ProxyHeader {
  readonly length: number;
  readonly client: string | "unknown";
}

const HEADER_BYTES_MAX = 107;
const START = "PROXY ";

/** "more": the bytes so far are the start of a header; "none": there is no header. Pure. */
export function parseProxyHeader(bytes: Uint8Array): ProxyHeader | "more" | "none" | "invalid" {
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, HEADER_BYTES_MAX));
  if (!head.startsWith(START)) return START.startsWith(head) ? "more" : "none";
  const end = head.indexOf("\r\n");
  if (end < 0) return head.length < HEADER_BYTES_MAX ? "more" : "invalid";
  const length = end + 2;
  const [family, source = "", target = "", port = "", ...rest] = head.slice(START.length, end)
    .split(" ");
  if (family === "UNKNOWN") return { length, client: "unknown" };
  const wanted = family === "TCP4" ? 4 : family === "TCP6" ? 6 : 0;
  const isValid = parseAddress(source)?.family === wanted &&
    parseAddress(target)?.family === wanted && rest.length === 1 &&
    [port, ...rest].every(isPort);
  return isValid
    ? { length, client: formatAddress({ host: source, port: Number(port) }) }
    : "invalid";
}

const isPort = (text: string) => /^\d{1,5}$/.test(text) && Number(text) <= 65535;

/**
 * Read the header of a connection that nobody reads yet. What follows it stays to be read.
 *
 * @returns whom the connection comes from; undefined: the header doesn't say.
 * @throws if the header is none that can be understood, or takes longer than `limitMs`.
 */
async function readProxyHeader(
  socket: Socket,
  limitMs: number,
): Promise<string | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<ProxyHeader | "none">();
  let bytes = new Uint8Array();
  const read = (piece: Uint8Array) => {
    bytes = new Uint8Array([...bytes, ...piece]);
    const header = parseProxyHeader(bytes);
    if (header === "invalid") reject(new Error("invalid PROXY header"));
    else if (header !== "more") resolve(header);
    if (header !== "more") socket.pause();
  };
  const closed = () => reject(new Error("closed before its PROXY header"));
  const late = setTimeout(() => reject(new Error("no PROXY header in time")), limitMs);
  socket.on("data", read).on("error", reject).on("close", closed);
  try {
    const header = await promise;
    const rest = header === "none" ? bytes : bytes.subarray(header.length);
    socket.off("data", read);
    if (rest.length > 0) socket.unshift(rest);
    return header === "none" || header.client === "unknown" ? undefined : header.client;
  } finally {
    clearTimeout(late);
    socket.off("data", read).off("error", reject).off("close", closed);
  }
}

const clients = new WeakMap<object, string>();

/** The other end of a connection as "HOST:PORT", or whom a trusted proxy says it speaks for. */
export function clientAddress(socket: Socket): string {
  const below = (socket as { _parent?: Socket | null })._parent;
  const told = clients.get(below ?? socket);
  if (told !== undefined) return told;
  return formatAddress({ host: hostOf(socket), port: socket.remotePort ?? 0 });
}

/** A listener of both families shows IPv4 clients as mapped. */
const hostOf = (socket: Socket) => (socket.remoteAddress ?? "").replace(/^::ffff:(?=\d+\.)/, "");

export interface TrustedProxies {
  readonly isTrusted: (host: string) => boolean;
  readonly limitMs: number;
}

/** Read the header of trusted proxies before anything else of the server sees a connection. */
export function acceptBehindProxies(server: Server, options: TrustedProxies): void {
  const listeners = server.listeners("connection") as ((socket: Socket) => void)[];
  const accept = (socket: Socket) => listeners.forEach((listener) => listener.call(server, socket));
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    if (!options.isTrusted(hostOf(socket))) return accept(socket);
    readProxyHeader(socket, options.limitMs).then((client) => {
      if (client !== undefined) clients.set(socket, client);
      accept(socket);
    }, () => socket.destroy()); // Ignored why: a proxy that says nonsense is no longer trusted.
  });
}
