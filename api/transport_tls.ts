/**
 * Connections to https remotes: our certificate is shown, and the server's must be the pinned one
 * (or, without a pin, be signed by an authority the system knows). node:tls is fetched when it is
 * needed: only it tells the peer's certificate. @see docs/platform.md about its backpressure
 */
import type { TLSSocket } from "node:tls";
import { fingerprintOf, fromPem } from "#base/x509.ts";
import type { Duplex } from "./bytes.ts";
import type { Dialer } from "./transport.ts";

export interface TlsOptions {
  readonly certificatePem?: string;
  readonly keyPem?: string;
  /** The only certificate that is accepted, as PEM. */
  readonly pinnedPem?: string;
  /** LXD_INSECURE_TLS: allow TLS 1.2. */
  readonly allowOldTls?: boolean;
}

const HANDSHAKE_MS = 10_000;

/** Where `https://host:port` leads to; the port is 8443 unless it says otherwise. */
export function parseAddress(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  const explicit = /^https:\/\/(\[[^\]]*\]|[^/:]*):(\d+)/.exec(url)?.[2];
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(explicit ?? (port || 8443)) };
}

export function tlsDialer(url: string, options: TlsOptions): Dialer {
  const { host, port } = parseAddress(url);
  return {
    host: `${host.includes(":") ? `[${host}]` : host}:${port}`,
    dial: async () => duplexOf(await dial(host, port, options)),
  };
}

/** The certificate that the server at `url` shows, as DER, unverified. */
export async function peerCertificate(url: string): Promise<Uint8Array<ArrayBuffer>> {
  const { host, port } = parseAddress(url);
  const socket = await handshake(host, port, { allowOldTls: true }, false);
  const raw = new Uint8Array(socket.getPeerCertificate().raw);
  socket.destroy();
  return raw;
}

async function dial(host: string, port: number, options: TlsOptions): Promise<TLSSocket> {
  const socket = await handshake(host, port, options, options.pinnedPem === undefined);
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

function handshake(
  host: string,
  port: number,
  options: TlsOptions,
  verify: boolean,
): Promise<TLSSocket> {
  const tls = process.getBuiltinModule("node:tls");
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host,
      port,
      servername: /^[\d.]+$|:/.test(host) ? "" : host,
      cert: options.certificatePem,
      key: options.keyPem,
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
