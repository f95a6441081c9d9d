/** Transports to other machines: in the whole client only, a call on this machine does not need them. */
import { userAgent } from "#api/client.ts";
import { StreamTransport, type Transport } from "#api/transport.ts";
import { tlsDialer } from "#api/transport_tls.ts";
import { imageServer } from "./image_server.ts";
import type { Remote } from "./remotes.ts";

/** The client's own files, as PEM; undefined: not there. */
export interface RemoteFiles {
  readonly pinnedPem: string | undefined;
  readonly certificatePem: string | undefined;
  readonly keyPem: string | undefined;
  readonly authorityPem: string | undefined;
}

export type RemoteTransport = (remote: Remote, files: RemoteFiles) => Transport;

export function remoteTransport(remote: Remote, files: RemoteFiles): Transport {
  if (remote.protocol === "simplestreams") return imageServer(remote.addr, files.pinnedPem);
  const own = remote.public ? { certificatePem: undefined, keyPem: undefined } : {};
  const dialer = tlsDialer(remote.addr, {
    ...files,
    ...own,
    allowOldTls: Boolean(Deno.env.get("LXD_INSECURE_TLS")),
  });
  return new StreamTransport(dialer, userAgent());
}
