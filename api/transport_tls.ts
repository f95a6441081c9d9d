/**
 * Connections to https remotes: our certificate is shown, and the server's must be the pinned one
 * (or, without a pin, be signed by an authority the system knows). node:tls is fetched when it is
 * needed: only it tells the peer's certificate. @see docs/platform.md about its backpressure
 */
import type { TLSSocket } from "node:tls";
import { fingerprintOf, fromPem } from "#base/x509.ts";
import type { Duplex } from "./bytes.ts";
import { withoutLogin } from "./login.ts";
import { proxyFor, proxyFromEnv, type ProxySettings } from "./proxy.ts";
import { tunnel } from "./proxy_tunnel.ts";
import { systemRoots } from "./system_roots.ts";
import { lowestSource, secure } from "./tls_socket.ts";
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
  readonly proxy?: () => Promise<ProxySettings>;
  /** Which address of a host that has several is tried first: the number of the try. */
  readonly turn?: number;
  /** Where the URL names no port; default: LXD's. */
  readonly defaultPort?: number;
}

const LXD_PORT = 8443;

/** Where `https://host:port` leads to. */
function parseAddress(
  url: string,
  defaultPort: number = LXD_PORT,
): { host: string; port: number } {
  const { hostname } = new URL(url);
  const explicit = /^https:\/\/(\[[^\]]*\]|[^/:]*):(\d+)/.exec(withoutLogin(url))?.[2];
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(explicit ?? defaultPort) };
}

/** `dial` throws if nobody answers, the proxy refuses, or the certificate is not the one to be trusted. */
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
  const url = new URL(`https://${host.includes(":") ? `[${host}]` : host}:${port}`);
  const fromEnv = () => Promise.resolve(proxyFromEnv((name) => Deno.env.get(name)));
  const proxy = proxyFor(url, await (options.proxy ?? fromEnv)());
  const needsRoots = verify || proxy?.protocol === "https:";
  const roots = needsRoots ? systemRoots() : undefined;
  const through = proxy === undefined ? undefined : await tunnel(proxy, url, { roots });
  const { authorityPem } = options;
  const own = verify ? roots : undefined;
  const ca = authorityPem === undefined ? own : [...own ?? [], authorityPem];
  return await secure({ host, port, through, turn: options.turn }, {
    cert: options.certificatePem,
    key: options.keyPem,
    ...(ca !== undefined && { ca }),
    rejectUnauthorized: verify,
    minVersion: options.allowOldTls ? "TLSv1.2" : "TLSv1.3",
  });
}

function duplexOf(socket: TLSSocket): Duplex {
  const queue: Uint8Array[] = [];
  let ended = false;
  let failure: Error | undefined;
  let wake = () => {};
  let paused = false;
  socket.on("data", (chunk: Uint8Array) => {
    queue.push(chunk);
    paused = true;
    socket.pause();
    lowestSource(socket)?.readStop();
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
          lowestSource(socket)?.readStart();
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
