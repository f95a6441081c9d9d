/** A socket of node:tls, past its handshake. node:tls is fetched when it is needed. */
import type { LookupAddress } from "node:dns";
import type { LookupFunction, Socket } from "node:net";
import type { ConnectionOptions, TLSSocket } from "node:tls";

/** How long a peer may take to shake hands. */
export const HANDSHAKE_MS = 10_000;

export interface SecureTo {
  readonly host: string;
  readonly port: number;
  /** A connection that leads there already: through a proxy. */
  readonly through?: Socket | undefined;
  /** Which of several addresses of the host is tried first; then the others. Default: the first. */
  readonly turn?: number | undefined;
}

/** @throws if the handshake fails, or takes longer than 10 seconds. */
export function secure(to: SecureTo, options: ConnectionOptions): Promise<TLSSocket> {
  const { host, port, through, turn = 0 } = to;
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const socket = process.getBuiltinModule("node:tls").connect({
    ...(through === undefined ? { host, port, lookup: lookupFrom(turn) } : { socket: through }),
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

/**
 * Names by the system, the addresses from the `turn`-th on: the runtime tries one after the other
 * until one answers, but one that answers and then fails is first again at the next try.
 */
function lookupFrom(turn: number): LookupFunction {
  return (host, options, done) => {
    const { lookup } = process.getBuiltinModule("node:dns");
    lookup(host, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error !== null) return done(error, []);
      const at = turn % Math.max(1, found.length);
      const turned = [...found.slice(at), ...found.slice(0, at)];
      const [first] = turned;
      if (options.all || first === undefined) done(null, turned);
      else done(null, first.address, first.family);
    });
  };
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
