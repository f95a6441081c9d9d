/**
 * Connections to https remotes: our certificate is shown, and the server's must be the pinned one
 * (or, without a pin, be signed by an authority the system knows). node:tls is fetched when it is
 * needed: only it tells the peer's certificate. @see docs/platform.md about its backpressure
 */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { fingerprintOf, fromPem } from "#base/x509.ts";
import type { Duplex } from "./bytes.ts";
import { proxyFor, proxyFromEnv, type ProxySettings } from "./proxy.ts";
import { systemRoots } from "./system_roots.ts";
import type { Dialer } from "./transport.ts";

export interface TlsOptions {
  readonly certificatePem?: string | undefined;
  readonly keyPem?: string | undefined;
  /** The only certificate that is accepted, as PEM. */
  readonly pinnedPem?: string | undefined;
  /** LXD_INSECURE_TLS: allow TLS 1.2. */
  readonly allowOldTls?: boolean;
  /** Another authority besides the system's, as PEM (client.ca). */
  readonly authorityPem?: string | undefined;
  /** Default: what the environment says. */
  readonly proxy?: ProxySettings;
  /** Where the URL names no port; default: LXD's. */
  readonly defaultPort?: number;
}

const HANDSHAKE_MS = 10_000;

const LXD_PORT = 8443;

/** Where `https://host:port` leads to. */
export function parseAddress(
  url: string,
  defaultPort: number = LXD_PORT,
): { host: string; port: number } {
  const { hostname } = new URL(url);
  const explicit = /^https:\/\/(\[[^\]]*\]|[^/:]*):(\d+)/.exec(url)?.[2];
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(explicit ?? defaultPort) };
}

export function tlsDialer(url: string, options: TlsOptions): Dialer {
  const { host, port } = parseAddress(url, options.defaultPort);
  return {
    host: `${host.includes(":") ? `[${host}]` : host}:${port}`,
    dial: async () => duplexOf(await dial(host, port, options)),
  };
}

/** The certificate that the server at `url` shows, as DER, unverified. */
export async function peerCertificate(url: string): Promise<Uint8Array<ArrayBuffer>> {
  const { host, port } = parseAddress(url);
  const socket = await handshake(host, port, { options: { allowOldTls: true }, verify: false });
  const raw = new Uint8Array(socket.getPeerCertificate().raw);
  socket.destroy();
  return raw;
}

async function dial(host: string, port: number, options: TlsOptions): Promise<TLSSocket> {
  const verify = options.pinnedPem === undefined;
  const socket = await handshake(host, port, { options, verify });
  if (options.pinnedPem !== undefined) {
    const expected = await fingerprintOf(fromPem(options.pinnedPem));
    const actual = await fingerprintOf(new Uint8Array(socket.getPeerCertificate().raw));
    if (expected !== actual) {
      socket.destroy();
      throw new Error(
        `the certificate of ${host}:${port} (${actual}) is not the one stored for this remote; ` +
          "if it was renewed, remove the remote and add it again",
      );
    }
  }
  return socket;
}

async function handshake(
  host: string,
  port: number,
  { options, verify }: { options: TlsOptions; verify: boolean },
): Promise<TLSSocket> {
  const tls = process.getBuiltinModule("node:tls");
  const url = new URL(`https://${host.includes(":") ? `[${host}]` : host}:${port}`);
  const proxy = proxyFor(url, options.proxy ?? proxyFromEnv((name) => Deno.env.get(name)));
  const below = proxy === undefined ? { host, port } : { socket: await tunnel(proxy, url) };
  const { authorityPem } = options;
  const roots = verify ? systemRoots() : undefined;
  const ca = authorityPem === undefined ? roots : [...roots ?? [], authorityPem];
  return await new Promise((resolve, reject) => {
    const socket = tls.connect({
      ...below,
      servername: /^[\d.]+$|:/.test(host) ? "" : host,
      cert: options.certificatePem,
      key: options.keyPem,
      ...(ca !== undefined && { ca }),
      rejectUnauthorized: verify,
      minVersion: options.allowOldTls ? "TLSv1.2" : "TLSv1.3",
    });
    const timer = setTimeout(
      () => socket.destroy(new Error(`no answer from ${host}:${port} in 10 seconds`)),
      HANDSHAKE_MS,
    );
    socket.once("secureConnect", () => {
      clearTimeout(timer);
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

/** A connection through a proxy. @throws if it refuses. */
function tunnel(proxy: URL, to: URL): Promise<Socket> {
  const isTls = proxy.protocol === "https:";
  const http = process.getBuiltinModule(isTls ? "node:https" : "node:http");
  const target = `${to.hostname}:${to.port || 443}`;
  const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return new Promise((resolve, reject) => {
    const request = http.request({
      host: proxy.hostname,
      port: proxy.port || (isTls ? 443 : 80),
      method: "CONNECT",
      path: target,
      headers: {
        Host: target,
        ...(user !== ":" && { "Proxy-Authorization": `Basic ${btoa(user)}` }),
      },
      timeout: HANDSHAKE_MS,
    });
    request.once("timeout", () => request.destroy(new Error(`no answer from ${proxy.host}`)));
    request.once("error", (error) =>
      reject(
        new Error(`cannot reach ${target} through the proxy ${proxy.host}: ${error.message}`, {
          cause: error,
        }),
      ));
    request.once("connect", (reply, socket) => {
      if (reply.statusCode === 200) return resolve(socket as Socket);
      socket.destroy();
      reject(new Error(`the proxy ${proxy.host} refuses ${target}: status ${reply.statusCode}`));
    });
    request.end();
  });
}

/** The parts of a TLSSocket below its public face that stop it from reading ahead. */
interface Handle {
  _handle?: { readStop?(): void; readStart?(): void };
}

function duplexOf(socket: TLSSocket): Duplex {
  const queue: Uint8Array[] = [];
  let ended = false;
  let failure: Error | undefined;
  let wake = () => {};
  let paused = false;
  const handle = () => (socket as unknown as Handle & { _parent?: Handle })._parent?._handle;
  socket.on("data", (chunk: Uint8Array) => {
    queue.push(chunk);
    paused = true;
    socket.pause();
    handle()?.readStop?.();
    wake();
  });
  socket.on("end", () => (ended = true, wake()));
  socket.on("close", () => (ended = true, wake()));
  socket.on("error", (error: Error) => (failure = error, wake()));
  return {
    async read(into) {
      for (;;) {
        const first = queue[0];
        if (first !== undefined) {
          const size = Math.min(first.length, into.length);
          into.set(first.subarray(0, size));
          if (size === first.length) queue.shift();
          else queue[0] = first.subarray(size);
          return size;
        }
        if (failure !== undefined) throw failure;
        if (ended) return null;
        const waiting = new Promise<void>((resolve) => wake = resolve);
        if (paused) {
          paused = false;
          handle()?.readStart?.();
          socket.resume();
        }
        await waiting;
      }
    },
    write(bytes) {
      return new Promise((resolve, reject) => {
        socket.write(bytes.slice(), (error) => error ? reject(error) : resolve(bytes.length));
      });
    },
    close: () => void socket.destroy(),
  };
}
