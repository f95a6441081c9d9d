/** A socket of node:tls, past its handshake. node:tls is fetched when it is needed. */
import type { Socket } from "node:net";
import type { ConnectionOptions, TLSSocket } from "node:tls";

/** How long a peer may take to shake hands. */
export const HANDSHAKE_MS = 10_000;

export interface SecureTo {
  readonly host: string;
  readonly port: number;
  /** A connection that leads there already: through a proxy. */
  readonly through?: Socket | undefined;
}

/** @throws if the handshake fails, or takes longer than 10 seconds. */
export function secure(to: SecureTo, options: ConnectionOptions): Promise<TLSSocket> {
  const { host, port, through } = to;
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const socket = process.getBuiltinModule("node:tls").connect({
    ...(through === undefined ? { host, port } : { socket: through }),
    servername: /^[\d.]+$|:/.test(host) ? "" : host,
    ...options,
  });
  // What TLS runs over isn't closed with it.
  socket.once("close", () => through?.destroy());
  const timer = setTimeout(
    () => socket.destroy(new Error(`no answer from ${host}:${port} in 10 seconds`)),
    HANDSHAKE_MS,
  );
  socket.once("secureConnect", () => {
    socket.off("error", reject);
    resolve(socket);
  });
  socket.once("error", reject);
  return promise.finally(() => clearTimeout(timer));
}

/** What moves the bytes of a socket: below TLS, and below the TLS of a proxy. */
export interface ByteSource {
  readStop(): unknown;
  readStart(): unknown;
}

/** What a TLSSocket of this runtime has besides its public face. */
interface Inside {
  readonly encrypted?: boolean;
  /** The socket that it runs over, where it was made over one. */
  readonly _parent?: Inside | null;
  readonly _handle?: (ByteSource & { readonly _parent?: ByteSource }) | null;
}

/**
 * A TLS socket of this runtime reads on while it is paused, into memory: to stop it, stop what is
 * lowest. undefined once the socket is closed.
 */
export function lowestSource(socket: TLSSocket): ByteSource | undefined {
  let at = socket as unknown as Inside;
  while (at._parent?.encrypted) at = at._parent;
  return at._handle?._parent ?? at._handle ?? undefined;
}
