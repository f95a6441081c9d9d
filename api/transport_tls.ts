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
  const through = proxy === undefined ? undefined : await tunnel(proxy, url);
  const below = through === undefined ? { host, port } : { socket: through };
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
    // What TLS runs over isn't closed with it.
    socket.once("close", () => through?.destroy());
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

const REPLY_BYTES = 64 * 1024;

/** A connection through a proxy. @throws if it refuses, or doesn't answer. */
function tunnel(proxy: URL, to: URL): Promise<Socket> {
  const target = `${to.hostname}:${to.port || 443}`;
  const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const lines = [`CONNECT ${target} HTTP/1.1`, `Host: ${target}`];
  if (user !== ":") lines.push(`Proxy-Authorization: Basic ${btoa(user)}`);
  if (proxy.protocol === "https:") {
    return Promise.reject(new Error(`the proxy ${proxy.host} speaks TLS: want http://HOST:PORT`));
  }
  const net = process.getBuiltinModule("node:net");
  const socket = net.connect(Number(proxy.port || 80), proxy.hostname.replace(/^\[|\]$/g, ""));
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const fail = (why: string) => {
    socket.destroy();
    reject(new Error(`cannot reach ${target} through the proxy ${proxy.host}: ${why}`));
  };
  const failed = (error: Error) => fail(error.message);
  const ended = () => fail("it closed the connection");
  const timer = setTimeout(() => fail("it does not answer"), HANDSHAKE_MS);
  let head = "";
  const read = (piece: Uint8Array) => {
    head += new TextDecoder("latin1").decode(piece);
    if (head.length > REPLY_BYTES) return fail("its answer is too long");
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1];
    if (status !== "200") return fail(`it refuses with status ${status ?? "unknown"}`);
    if (end + 4 < head.length) return fail("it sent more than an answer");
    clearTimeout(timer);
    socket.pause();
    socket.off("data", read).off("error", failed).off("end", ended);
    resolve(socket);
  };
  socket.on("data", read).on("error", failed).on("end", ended);
  socket.once("connect", () => socket.write(lines.join("\r\n") + "\r\n\r\n"));
  return promise.finally(() => clearTimeout(timer));
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
