/** Transports to other machines: in the whole client only, a call on this machine does not need them. */
import { userAgent } from "#api/client.ts";
import { StreamTransport, type Transport, type TransportRequest } from "#api/transport.ts";
import { tlsDialer } from "#api/transport_tls.ts";
import { imageServer, NOT_PRIVATE } from "./image_server.ts";
import type { Remote } from "./remotes.ts";

/** The client's own files, as PEM; undefined: not there. */
export interface RemoteFiles {
  readonly pinnedPem: string | undefined;
  readonly certificatePem: string | undefined;
  readonly keyPem: string | undefined;
  readonly authorityPem: string | undefined;
}

export type RemoteTransport = (remote: Remote, files: RemoteFiles) => Transport;

/** Nothing is connected before the first request. */
export function remoteTransport(remote: Remote, files: RemoteFiles): Transport {
  if (remote.protocol === "simplestreams") return imageServer(remote.addr, files.pinnedPem);
  const own = remote.public ? { certificatePem: undefined, keyPem: undefined } : {};
  const dialer = tlsDialer(remote.addr, {
    ...files,
    ...own,
    allowOldTls: Boolean(Deno.env.get("LXD_INSECURE_TLS")),
  });
  const transport = new StreamTransport(dialer, userAgent());
  return remote.public ? imagesOnly(transport) : transport;
}

/** A server that was added as one of public images: that we may do no more is said before it is asked. */
function imagesOnly(transport: Transport): Transport {
  const refuse = () => Promise.reject(new Error(NOT_PRIVATE));
  return {
    request(request: TransportRequest) {
      const { pathname } = new URL(request.target, "http://server");
      const isPublic = request.method === "GET" && /^\/1\.0(\/images(\/.*)?)?$/.test(pathname);
      return isPublic ? transport.request(request) : refuse();
    },
    websocket: refuse,
    upgrade: refuse,
    close: () => transport.close(),
  };
}
