/** Requests and websockets over kept-alive connections, whatever they are made of. */
import { ByteReader, concat, type Duplex } from "./bytes.ts";
import {
  type Headers1,
  readBody,
  readHead,
  type RequestBody,
  type ResponseHead,
  sendRequest,
} from "./http1.ts";
import { HANDSHAKE, textFrame, WebSocketConnection, WebSocketError } from "./websocket.ts";

export interface TransportRequest {
  readonly method: string;
  /** Path with query. */
  readonly target: string;
  readonly headers?: Headers1;
  readonly body?: RequestBody;
  readonly signal?: AbortSignal;
}

/** A reply whose body is still to be read. Read it to the end, or `cancel()`. */
export interface TransportReply {
  readonly status: number;
  readonly headers: Headers1;
  /** Pieces are valid until the next one is asked for. */
  readonly body: AsyncIterable<Uint8Array<ArrayBuffer>>;
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  text(): Promise<string>;
  cancel(): void;
}

export interface Transport {
  request(request: TransportRequest): Promise<TransportReply>;
  /**
   * Open a websocket; `first` is a text message that is sent at once.
   *
   * @throws {UpgradeRefused} with the server's reply.
   */
  websocket(target: string, first?: string): Promise<WebSocketConnection>;
  /** Speak another protocol on a connection of its own. @throws {UpgradeRefused} as above. */
  upgrade(target: string, protocol: string): Promise<Upgraded>;
  close(): void;
}

/** A connection after its upgrade; what came with the answer is in the reader. */
export interface Upgraded {
  readonly duplex: Duplex;
  readonly reader: ByteReader;
}

/** The server answered a websocket request with something else. */
export class UpgradeRefused extends Error {
  constructor(readonly status: number, readonly body: string) {
    super(`websocket refused with status ${status}`);
    this.name = "UpgradeRefused";
  }
}

/** Opens a connection; `host` goes into the Host header. */
export interface Dialer {
  readonly host: string;
  dial(): Promise<Duplex>;
}

interface Connection {
  readonly duplex: Duplex;
  readonly reader: ByteReader;
  used: boolean;
}

const MAX_IDLE = 8;

/** A transport over what `dialer` opens. */
export class StreamTransport implements Transport {
  readonly #dialer: Dialer;
  readonly #userAgent: string;
  readonly #idle: Connection[] = [];
  #closed = false;

  constructor(dialer: Dialer, userAgent: string) {
    this.#dialer = dialer;
    this.#userAgent = userAgent;
  }

  async request(request: TransportRequest): Promise<TransportReply> {
    request.signal?.throwIfAborted();
    const connection = this.#idle.pop() ?? await this.#open();
    const abort = () => connection.duplex.close();
    request.signal?.addEventListener("abort", abort, { once: true });
    const settle = () => request.signal?.removeEventListener("abort", abort);
    try {
      const { head, reusable } = await this.#exchange(connection, request);
      if (head === undefined) {
        // A kept connection that the server closed meanwhile; a stream can't be sent twice.
        const canRepeat = connection.used && !(request.body instanceof Object &&
          "stream" in request.body);
        if (!canRepeat) throw new ConnectionLost();
        settle();
        connection.duplex.close();
        return await this.#again(request);
      }
      return this.#reply(connection, head, { method: request.method, reusable, settle });
    } catch (error) {
      settle();
      connection.duplex.close();
      throw request.signal?.aborted ? request.signal.reason : error;
    }
  }

  /** @throws {ConnectionLost} if nobody is there any more. */
  async #again(request: TransportRequest): Promise<TransportReply> {
    try {
      return await this.request(request);
    } catch (error) {
      throw error instanceof SocketUnreachable ? new ConnectionLost({ cause: error }) : error;
    }
  }

  async websocket(target: string, first?: string): Promise<WebSocketConnection> {
    const early = first === undefined ? undefined : textFrame(first);
    const { duplex, reader, head } = await this.#upgraded(target, early, {
      "Upgrade": "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": HANDSHAKE.key,
    });
    if (head.headers["sec-websocket-accept"] !== HANDSHAKE.accept) {
      duplex.close();
      throw new WebSocketError("the handshake's answer does not belong to the question");
    }
    return new WebSocketConnection(duplex, reader);
  }

  async upgrade(target: string, protocol: string): Promise<Upgraded> {
    return await this.#upgraded(target, undefined, { "Upgrade": protocol });
  }

  async #upgraded(
    target: string,
    early: Uint8Array | undefined,
    headers: Headers1,
  ): Promise<Upgraded & { head: ResponseHead }> {
    const { duplex, reader, used } = await this.#open();
    try {
      const { head } = await this.#exchange({ duplex, reader, used }, {
        method: "GET",
        target,
        headers: { ...headers, "Connection": "Upgrade" },
        early,
      });
      if (head === undefined) throw new WebSocketError("connection closed during the handshake");
      if (head.status === 101) return { duplex, reader, head };
      const parts: Uint8Array[] = [];
      for await (const part of readBody(reader, head, "GET")) parts.push(part.slice());
      throw new UpgradeRefused(head.status, new TextDecoder().decode(concat(parts)));
    } catch (error) {
      duplex.close();
      throw error;
    }
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#idle.splice(0)) connection.duplex.close();
  }

  async #open(): Promise<Connection> {
    const duplex = await this.#dialer.dial();
    return { duplex, reader: new ByteReader(duplex), used: false };
  }

  /** Send and read at once: a server may answer (an error) before it has read the whole body. */
  async #exchange(
    connection: Connection,
    request: TransportRequest & { readonly early?: Uint8Array },
  ): Promise<{ head: ResponseHead | undefined; reusable: boolean }> {
    const headers = {
      "Host": this.#dialer.host,
      "User-Agent": this.#userAgent,
      ...request.headers,
    };
    let answered = false;
    let sent = false;
    let failure: unknown;
    const sending = sendRequest(
      connection.duplex,
      { method: request.method, target: request.target, headers, early: request.early },
      request.body,
      () => answered,
    ).then(() => {
      sent = !answered;
    }, (error: unknown) => {
      failure = error;
      // A body that can't be read must not leave us waiting for an answer.
      if (!isConnectionError(error)) connection.duplex.close();
    });
    let head: ResponseHead | undefined;
    try {
      head = await readHead(connection.reader);
    } catch (error) {
      throw failure ?? error;
    }
    answered = true;
    if (head === undefined && failure !== undefined && !connection.used) throw failure;
    if (!sent) await Promise.race([sending, Promise.resolve()]);
    return { head, reusable: sent };
  }

  #reply(
    connection: Connection,
    head: ResponseHead,
    options: { method: string; reusable: boolean; settle: () => void },
  ): TransportReply {
    const pieces = readBody(connection.reader, head, options.method);
    const finish = (keep: boolean) => {
      options.settle();
      connection.used = true;
      const free = connection.reader.buffered === 0 && this.#idle.length < MAX_IDLE;
      if (keep && options.reusable && !this.#closed && free) this.#idle.push(connection);
      else connection.duplex.close();
    };
    async function* body() {
      let keep = false;
      try {
        keep = yield* pieces;
      } finally {
        finish(keep);
      }
    }
    const stream = body();
    const bytes = async () => {
      const parts: Uint8Array[] = [];
      for await (const part of stream) parts.push(part.slice());
      return concat(parts);
    };
    return {
      status: head.status,
      headers: head.headers,
      body: stream,
      bytes,
      text: async () => new TextDecoder().decode(await bytes()),
      cancel: () => finish(false),
    };
  }
}

function isConnectionError(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted;
}

/** The server was there, and is gone without an answer. */
class ConnectionLost extends Error {
  constructor(options?: ErrorOptions) {
    super("the server closed the connection without an answer", options);
    this.name = "ConnectionLost";
  }
}

/** Nobody answers at the unix socket; the cause is the system's error. */
export class SocketUnreachable extends Error {
  constructor(readonly path: string, cause: Error) {
    super(`${path}: ${cause.message}`, { cause });
    this.name = "SocketUnreachable";
  }
}

/** Dial a unix socket. Dialing throws {SocketUnreachable}. */
export function unixDialer(path: string): Dialer {
  const unreachable = (cause: Error) => {
    throw new SocketUnreachable(path, cause);
  };
  return {
    host: "unix.socket",
    dial: () => Deno.connect({ transport: "unix", path }).catch(unreachable),
  };
}
