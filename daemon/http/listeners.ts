/** The sockets: the unix socket for local clients, TLS for the network. */
import { lowestSource } from "#api/tls_socket.ts";
import { Fault, messageOf } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { removeIfThere } from "#daemon/host/files.ts";
import { keepFromChildren, listenerPid } from "#ffi/libc/listener.ts";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { formatAddress, listenOptions } from "./address.ts";
import { acceptBehindProxies } from "./proxy_header.ts";
import type { HttpHandlers } from "./server.ts";
import { refuseUnreadable } from "./unreadable.ts";

export interface Listener {
  /** Take no more connections; those that are open may go on. */
  retire(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Listen on a unix socket. A stale socket file of a dead daemon is replaced.
 *
 * @param gid Group that may connect (mode 0660).
 * @throws {Fault} conflict if another daemon answers on it.
 */
export async function listenUnix(
  path: string,
  gid: number,
  handlers: HttpHandlers,
): Promise<Listener> {
  if (await answers(path)) {
    throw new Fault("conflict", `cannot listen on "${path}": another daemon is running`, {
      hint: "Stop it first, or set LXD_DIR to another directory.",
    });
  }
  await removeIfThere(path);
  const server = createServer({ maxHeaderSize: LIMITS.headerBytes }, toListener(handlers));
  configure(server, handlers);
  const before = Deno.umask(0o117);
  try {
    await listen(server, { path });
  } finally {
    Deno.umask(before);
  }
  await Deno.chown(path, 0, gid);
  return closer(server);
}

/** A socket handed over by the service manager (socket activation: descriptor 3). */
export async function listenFd(fd: number, handlers: HttpHandlers): Promise<Listener> {
  const server = createServer({ maxHeaderSize: LIMITS.headerBytes }, toListener(handlers));
  configure(server, handlers);
  await listen(server, { fd });
  return closer(server);
}

export interface TlsOptions {
  readonly host: string;
  readonly port: number;
  readonly certificate: ServerCertificate;
  readonly limits?: NetworkLimits;
  /** Proxies in front of us whose word for the client's address counts. Default: none. */
  readonly isTrustedProxy?: (host: string) => boolean;
}

/** How long strangers may hold a socket. */
export interface NetworkLimits {
  readonly handshakeMs: number;
  readonly headersMs: number;
}

/** What the server shows; it may be replaced while the daemon runs. */
export interface ServerCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly fingerprint: string;
}

/** Client certificates are asked for and judged by their fingerprint, never by a chain. */
export async function listenTls(options: TlsOptions, handlers: HttpHandlers): Promise<Listener> {
  const { handshakeMs, headersMs } = options.limits ?? LIMITS;
  const server = createTlsServer({
    cert: options.certificate.certificatePem,
    key: options.certificate.keyPem,
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: handshakeMs,
    minVersion: Deno.env.get("LXD_INSECURE_TLS") ? "TLSv1.2" : "TLSv1.3",
    maxHeaderSize: LIMITS.headerBytes,
    connectionsCheckingInterval: Math.ceil(headersMs / 4),
  }, toListener(handlers));
  server.on("secureConnection", applyBackpressure);
  // A peer that vanished without a word is found out.
  server.on("connection", (socket: Socket) => socket.setKeepAlive(true, LIMITS.keepAliveMs));
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  const isTrusted = options.isTrustedProxy ?? (() => false);
  acceptBehindProxies(server, { isTrusted, limitMs: handshakeMs });
  server.maxConnections = LIMITS.networkConnections;
  configure(server, handlers);
  server.headersTimeout = headersMs;
  try {
    await listen(server, listenOptions(options));
  } catch (error) {
    throw new Fault(
      "bad_request",
      `Cannot listen on network HTTPS socket "${formatAddress(options)}": ${messageOf(error)}`,
      { cause: error, hint: "Is the address one of this machine, and the port free?" },
    );
  }
  return closer(server);
}

/**
 * node:tls of this runtime goes on reading while the reader is paused, so that a slow reader lets
 * memory grow to the size of the whole transfer: stop the socket below it as well.
 */
function applyBackpressure(socket: TLSSocket): void {
  const pause = socket.pause.bind(socket);
  const resume = socket.resume.bind(socket);
  socket.pause = () => {
    lowestSource(socket)?.readStop();
    return pause();
  };
  socket.resume = () => {
    lowestSource(socket)?.readStart();
    return resume();
  };
}

function toListener(handlers: HttpHandlers): RequestListener {
  return (request, response) => void handlers.request(request, response);
}

function configure(server: Server | TlsServer, handlers: HttpHandlers): void {
  server.on("upgrade", (request, socket: Duplex, head) => {
    void handlers.upgrade(request, socket, head);
  });
  server.on("clientError", refuseUnreadable);
  server.requestTimeout = 0; // Uploads take as long as they take; headers are bounded:
  server.headersTimeout = LIMITS.headersMs;
  server.keepAliveTimeout = LIMITS.keepAliveMs;
}

async function listen(server: Server | TlsServer, where: object): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ backlog: LIMITS.listenBacklog, ...where }, () => resolve());
  await promise;
  server.removeListener("error", reject);
  keepFromChildren(server);
}

function closer(server: Server | TlsServer): Listener {
  return {
    retire: () => {
      server.close();
      server.closeIdleConnections();
      return Promise.resolve();
    },
    close: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      server.closeAllConnections();
      await promise;
    },
  };
}

/** Does a daemon listen on the socket file? A child of a dead one may hold its socket for a moment. */
async function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path, () => {
    resolve(isProcess(listenerPid(socket)));
    socket.destroy();
  });
  socket.on("error", () => resolve(false));
  return await promise;
}

function isProcess(pid: number): boolean {
  try {
    return Deno.statSync(`/proc/${pid}`).isDirectory;
  } catch {
    return false; // Ignored: it has ended.
  }
}
