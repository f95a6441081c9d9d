/** Requests to image servers: proxies, the system's authorities or a pinned certificate, redirects. */
import { Client, userAgent } from "#api/client.ts";
import { loginHeaders, withoutLogin } from "#api/login.ts";
import { NO_PROXY, proxyFromEnv, type ProxySettings } from "#api/proxy.ts";
import { StreamTransport, type TransportReply } from "#api/transport.ts";
import { tlsDialer } from "#api/transport_tls.ts";
import { Fault, messageOf } from "#base/errors.ts";

export interface RemoteHttp {
  /** Follows redirects. @throws {Fault} unavailable, not_found, bad_request */
  request(url: string, options?: RemoteRequest): Promise<TransportReply>;
  /** A client of another LXD server. */
  client(server: string, options: RemoteServer): Client;
}

export interface RemoteServer {
  /** The only one that it may show, as PEM; "": it must be one that the system trusts. */
  readonly certificate: string;
  readonly project?: string | undefined;
  /** Never through a proxy: servers move instances between them directly. */
  readonly direct?: true;
}

export interface RemoteRequest {
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Which address of a host that has several is asked first: the number of the try. */
  readonly turn?: number;
}

export interface RemoteHttpDeps {
  /** A key of the server's configuration. */
  readonly setting: (key: string) => Promise<string>;
}

const HTTPS_PORT = 443;
const REDIRECTS_MAX = 5;

/** https only. Proxies are looked up at each request: core.proxy_* may change. */
export function createRemoteHttp({ setting }: RemoteHttpDeps): RemoteHttp {
  const once = async (url: string, options: RemoteRequest): Promise<TransportReply> => {
    const { pathname, search, protocol } = parseUrl(url);
    if (protocol !== "https:") {
      throw new Fault(
        "bad_request",
        `cannot fetch "${withoutLogin(url)}": only https URLs are supported`,
      );
    }
    const dialer = tlsDialer(url, {
      proxy: () => proxySettings(setting),
      allowOldTls: true,
      defaultPort: HTTPS_PORT,
      turn: options.turn ?? 0,
    });
    const { method = "GET", headers, signal } = options;
    try {
      return await new StreamTransport(dialer, userAgent()).request({
        method,
        target: pathname + search,
        headers: { ...loginHeaders(url), ...headers, Connection: "close" },
        ...(signal !== undefined && { signal }),
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw unreachable(url, error);
    }
  };
  return {
    async request(url, options = {}) {
      let at = url;
      for (let hops = 0; hops <= REDIRECTS_MAX; hops++) {
        const reply = await once(at, options);
        const { location } = reply.headers;
        if (reply.status < 300 || reply.status === 304) return reply;
        reply.cancel();
        if (reply.status >= 400 || location === undefined) throw refused(at, reply.status);
        at = new URL(location, at).href;
      }
      throw new Fault("unavailable", `cannot fetch "${withoutLogin(url)}": too many redirects`);
    },
    client(server, { certificate, project, direct }) {
      const { protocol } = parseUrl(server);
      if (protocol !== "https:") {
        throw new Fault("bad_request", `invalid server "${server}": want https://HOST:PORT`);
      }
      const dialer = tlsDialer(server, {
        proxy: () => direct ? Promise.resolve(NO_PROXY) : proxySettings(setting),
        ...(certificate !== "" && { pinnedPem: certificate }),
        allowOldTls: Boolean(Deno.env.get("LXD_INSECURE_TLS")),
      });
      return new Client(new StreamTransport(dialer, userAgent()), project);
    },
  };
}

async function proxySettings(setting: RemoteHttpDeps["setting"]): Promise<ProxySettings> {
  const own = proxyFromEnv((name) => Deno.env.get(name));
  return {
    https: await setting("core.proxy_https") || own.https,
    http: await setting("core.proxy_http") || own.http,
    ignoreHosts: await setting("core.proxy_ignore_hosts") || own.ignoreHosts,
  };
}

function parseUrl(text: string): URL {
  if (!URL.canParse(text)) throw new Fault("bad_request", `invalid URL "${withoutLogin(text)}"`);
  return new URL(text);
}

function refused(url: string, status: number): Fault {
  const kind = status === 404 || status === 410 ? "not_found" : "unavailable";
  return new Fault(
    kind,
    `cannot fetch "${withoutLogin(url)}": the server answered status ${status}`,
  );
}

/** @returns the failure as one that says which server it is about. */
export function unreachable(url: string, error: unknown): Fault {
  if (error instanceof Fault) return error;
  const { host } = new URL(url);
  return new Fault("unavailable", `cannot reach the image server ${host}: ${messageOf(error)}`, {
    cause: error,
    hint: "Check the address, the network and core.proxy_https.",
  });
}
