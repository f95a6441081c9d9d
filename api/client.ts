/**
 * The typed client of the API, for the commands and (through mod.ts) for other programs:
 *
 *     const client = connect();                                   // the local daemon
 *     const names = await client.call(getInstances);
 *     await client.run(putInstanceState, { params: { name: "web" }, body: { action: "start" } });
 */
import { VERSION } from "#base/version.ts";
import type { Envelope, EventObject, OperationObject } from "./envelope.ts";
import { STATUS } from "./status.ts";
import type { Headers1, RequestBody } from "./http1.ts";
import type { BodyOf, MetadataOf, ParamsOf, QueryOf, RouteRow } from "./route.ts";
import {
  StreamTransport,
  type Transport,
  type TransportReply,
  unixDialer,
  type Upgraded,
  UpgradeRefused,
} from "./transport.ts";
import type { WebSocketConnection } from "./websocket.ts";

/** The daemon refused, or an operation failed. */
export class ClientError extends Error {
  override readonly name = "ClientError";

  /** @param status HTTP status of the reply, or the code of the failed operation (400, 401). */
  constructor(readonly status: number, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

export type QueryValue = string | number | boolean | undefined;

export interface RequestOptions {
  readonly query?: Readonly<Record<string, QueryValue>>;
  /** A JSON value. */
  readonly json?: unknown;
  /** Anything but JSON; name its kind in `headers`. */
  readonly body?: RequestBody;
  readonly headers?: Headers1;
  /** Refuse (412) unless the object still has this ETag. */
  readonly etag?: string;
  readonly signal?: AbortSignal;
}

export interface CallOptions<Row extends RouteRow> {
  readonly params?: ParamsOf<Row>;
  readonly query?: Partial<QueryOf<Row>>;
  readonly body?: BodyOf<Row>;
  readonly etag?: string;
  readonly signal?: AbortSignal;
}

export interface Reply<Metadata = unknown> {
  readonly metadata: Metadata;
  readonly etag: string;
  /** URL of the operation, or "" when the reply was synchronous. */
  readonly operation: string;
}

export interface WaitOptions {
  readonly signal?: AbortSignal;
  /** Gets the metadata of the operation whenever it changes. Costs an event stream. */
  readonly onProgress?: (metadata: Readonly<Record<string, unknown>>) => void;
}

/** One connection to one server, in one project. Dispose it when done: that closes the connection. */
export class Client implements Disposable {
  constructor(
    readonly transport: Transport,
    /** Sent with every request when it is set. */
    readonly project: string | undefined = undefined,
    /** Sent with every request when it is set: the cluster member. */
    readonly target: string | undefined = undefined,
  ) {}

  /** The same connection with another project. */
  inProject(project: string | undefined): Client {
    return new Client(this.transport, project, this.target);
  }

  /** The same connection with another cluster member. */
  onTarget(target: string | undefined): Client {
    return new Client(this.transport, this.project, target || undefined);
  }

  /** One route of api/routes, with its types. @returns the metadata. @throws {ClientError} */
  async call<const Row extends RouteRow>(
    row: Row,
    options: CallOptions<Row> = {},
  ): Promise<MetadataOf<Row>> {
    const reply = await this.send(row.method, fillPath(row.path, options.params), {
      query: options.query as RequestOptions["query"],
      json: options.body,
      etag: options.etag,
      signal: options.signal,
    });
    return reply.metadata as MetadataOf<Row>;
  }

  /** A route that starts an operation; waits for its end. @throws {ClientError} if it fails. */
  async run<const Row extends RouteRow>(
    row: Row,
    options: CallOptions<Row> & WaitOptions = {},
  ): Promise<OperationObject> {
    return await this.operate(row.method, fillPath(row.path, options.params), {
      query: options.query as RequestOptions["query"],
      json: options.body,
      etag: options.etag,
      signal: options.signal,
    }, options);
  }

  /** GET. @returns the metadata. */
  async get<Metadata = unknown>(path: string, options: RequestOptions = {}): Promise<Metadata> {
    return (await this.send<Metadata>("GET", path, options)).metadata;
  }

  /** Any request that is answered with an envelope. @throws {ClientError} on an error envelope. */
  async send<Metadata = unknown>(
    method: string,
    path: string,
    options: RequestOptions = {},
  ): Promise<Reply<Metadata>> {
    const reply = await this.raw(method, path, options);
    const envelope = parseEnvelope(reply.status, await reply.text());
    if (envelope.type === "error") throw new ClientError(reply.status, envelope.error);
    return {
      metadata: envelope.metadata as Metadata,
      etag: reply.headers.etag ?? "",
      operation: envelope.operation,
    };
  }

  /** Any request; the caller reads the reply, whatever it is. */
  raw(method: string, path: string, options: RequestOptions = {}): Promise<TransportReply> {
    const headers: Record<string, string> = { ...options.headers };
    let body = options.body;
    if (options.json !== undefined) {
      headers["Content-Type"] = "application/json";
      body = JSON.stringify(options.json);
    }
    if (options.etag) headers["If-Match"] = options.etag;
    const target = this.#target(path, options.query);
    return this.transport.request({ method, target, headers, body, signal: options.signal });
  }

  /** Like raw(), but an error envelope throws. @throws {ClientError} */
  async download(path: string, options: RequestOptions = {}): Promise<TransportReply> {
    const reply = await this.raw("GET", path, options);
    if (reply.status < 300) return reply;
    throw new ClientError(reply.status, parseEnvelope(reply.status, await reply.text()).error);
  }

  /** Send a request; if it started an operation, wait for its end. */
  async operate(
    method: string,
    path: string,
    options: RequestOptions = {},
    wait: WaitOptions = {},
  ): Promise<OperationObject> {
    const reply = await this.send<OperationObject>(method, path, options);
    return reply.operation === "" ? reply.metadata : await this.wait(reply.metadata, wait);
  }

  /**
   * Wait for the end of an operation. @throws {ClientError} with the operation's error.
   * An aborted signal stops the waiting, not the operation.
   */
  async wait(operation: OperationObject, options: WaitOptions = {}): Promise<OperationObject> {
    if (operation.status_code >= STATUS.Success) return finished(operation);
    const watch = options.onProgress && await this.#watch(operation, options.onProgress);
    try {
      const path = `/1.0/operations/${operation.id}/wait`;
      const end = await this.get<OperationObject>(path, {
        query: { timeout: -1 },
        signal: options.signal,
      });
      return finished(end);
    } finally {
      watch?.[Symbol.dispose]();
    }
  }

  /** Ask the daemon to stop an operation. */
  async cancel(operation: OperationObject): Promise<void> {
    await this.send("DELETE", `/1.0/operations/${operation.id}`);
  }

  /** One websocket of an operation (exec, console). */
  operationWebsocket(id: string, secret: string): Promise<WebSocketConnection> {
    return this.websocket(`/1.0/operations/${id}/websocket`, { secret });
  }

  /** Any websocket of the API; `first` is a text message sent at once. @throws {ClientError} */
  async websocket(
    path: string,
    query: Readonly<Record<string, QueryValue>> = {},
    first?: string,
  ): Promise<WebSocketConnection> {
    try {
      return await this.transport.websocket(this.#target(path, query), first);
    } catch (error) {
      if (!(error instanceof UpgradeRefused)) throw error;
      throw new ClientError(error.status, parseEnvelope(error.status, error.body).error);
    }
  }

  /** A connection that speaks another protocol from now on (sftp). @throws {ClientError} */
  async upgrade(path: string, protocol: string): Promise<Upgraded> {
    try {
      return await this.transport.upgrade(this.#target(path, {}), protocol);
    } catch (error) {
      if (!(error instanceof UpgradeRefused)) throw error;
      throw new ClientError(error.status, parseEnvelope(error.status, error.body).error);
    }
  }

  /** Events as they happen, until the connection ends or the loop is left. */
  async *events(
    options: { types?: readonly string[]; allProjects?: boolean } = {},
  ): AsyncGenerator<EventObject> {
    const query = {
      type: options.types?.join(",") || undefined,
      "all-projects": options.allProjects || undefined,
    };
    using socket = await this.websocket("/1.0/events", query);
    for (;;) {
      const event = await socket.json();
      if (event === undefined) return;
      yield event as EventObject;
    }
  }

  [Symbol.dispose](): void {
    this.transport.close();
  }

  async #watch(
    operation: OperationObject,
    onProgress: NonNullable<WaitOptions["onProgress"]>,
  ): Promise<Disposable> {
    const socket = await this.websocket("/1.0/events", { type: "operation" });
    const follow = async () => {
      for (;;) {
        const event = await socket.json() as EventObject | undefined;
        if (event === undefined) return;
        const changed = event.metadata as OperationObject;
        if (changed.id === operation.id && changed.metadata) onProgress(changed.metadata);
      }
    };
    follow().catch(() => {}); // Ignored: progress is a courtesy, the end comes from /wait.
    return socket;
  }

  #target(path: string, query: RequestOptions["query"] = {}): string {
    const project = query["all-projects"] ? undefined : this.project;
    const all: NonNullable<typeof query> = { project, target: this.target, ...query };
    const parts = Object.entries(all)
      .filter(([name, value]) => value !== undefined && !hasParameter(path, name))
      .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`);
    if (parts.length === 0) return path;
    return `${path}${path.includes("?") ? "&" : "?"}${parts.join("&")}`;
  }
}

const hasParameter = (path: string, name: string) =>
  path.includes(`?${name}=`) || path.includes(`&${name}=`);

function finished(operation: OperationObject): OperationObject {
  if (operation.status_code === STATUS.Success) return operation;
  throw new ClientError(operation.status_code, operation.err || operation.status);
}

/** A reply that isn't an envelope (a proxy's page, a crash) becomes an error envelope. */
function parseEnvelope(status: number, text: string): Envelope {
  try {
    const value = JSON.parse(text) as Envelope;
    if (typeof value === "object" && value !== null && "type" in value) return value;
  } catch {
    // Ignored: reported below, with the text.
  }
  const error = text.trim().slice(0, 200) || `the server answered with status ${status}`;
  return {
    type: "error",
    status: "",
    status_code: 0,
    operation: "",
    error_code: status,
    error,
    metadata: null,
  };
}

/** `/1.0/instances/{name}` and `{name: "a b"}` -> `/1.0/instances/a%20b`. */
function fillPath(path: string, params: Readonly<Record<string, string>> = {}): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined) throw new Error(`path ${path} needs "${name}"`);
    return encodeURIComponent(value);
  });
}

export interface ConnectOptions {
  /** Path of the daemon's socket; else LXD_SOCKET, LXD_DIR/unix.socket, /var/lib/lxd/unix.socket. */
  readonly socket?: string;
  readonly project?: string;
}

/** A client of the local daemon. Nothing is sent before the first call. */
export function connect(options: ConnectOptions = {}): Client {
  const path = options.socket ?? localSocket((name) => Deno.env.get(name));
  return new Client(new StreamTransport(unixDialer(path), userAgent()), options.project);
}

/** Where the local daemon listens, by LXD's environment variables. */
export function localSocket(env: (name: string) => string | undefined): string {
  return env("LXD_SOCKET") || `${env("LXD_DIR") || "/var/lib/lxd"}/unix.socket`;
}

/** Product, version and system, as the servers of images log it. @see RFC 9110, 10.1.5 */
export const userAgent = () => `lxd/${VERSION} (${Deno.build.os}; ${Deno.build.arch})`;
