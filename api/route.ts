/** One row per endpoint: the router, OpenAPI, the typed client and the docs derive from it. */
import type { Infer, Schema } from "./schema.ts";

export type Method = "GET" | "HEAD" | "PUT" | "PATCH" | "POST" | "DELETE";

/**
 * What answers a request: `sync` an envelope with metadata, `operation` 202 and an operation,
 * `raw` anything but an envelope (file contents, an export), `upgrade` a websocket or raw socket.
 * A route whose answer depends on the request (files: raw or sync) says `raw`.
 */
export type ReplyKind = "sync" | "operation" | "raw" | "upgrade";

/**
 * Who may call: `anyone` (untrusted callers get the public view), `trusted` (a client of the unix
 * socket or with a trusted certificate; restricted certificates are limited to their projects),
 * `admin` (trusted and not restricted), `local` (the unix socket only), `metrics` (admin, and
 * certificates for metrics, or anyone if core.metrics_authentication is false).
 */
export type Access = "anyone" | "trusted" | "admin" | "local" | "metrics";

export interface RouteRow<
  Query extends Schema = Schema,
  Body extends Schema = Schema,
  Metadata extends Schema = Schema,
> {
  readonly method: Method;
  /** `/1.0/instances/{name}/state`; rows below `/1.0/instances` also answer `/1.0/containers`. */
  readonly path: string;
  readonly summary: string;
  readonly access: Access;
  readonly reply: ReplyKind;
  /** Query parameters besides `project`, `target`, `recursion`, `filter` and `all-projects`. */
  readonly query?: Query;
  /** JSON body. A row with `stream` gets the raw body instead when it isn't JSON. */
  readonly body?: Body;
  readonly stream?: true;
  /** Shape of the metadata of a `sync` reply (documentation and static type; never validated). */
  readonly metadata?: Metadata;
  /** API extension that added the row. */
  readonly extension?: string;
}

/** Type-checked identity: keeps the literal types of the row. */
export function route<
  const Row extends RouteRow<Schema, Schema, Schema>,
>(row: Row): Row {
  return row;
}

/** Names in braces: `/1.0/instances/{name}/state` -> "name". */
export type PathParams<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | PathParams<Rest>
  : never;

type InferOr<S, Otherwise> = S extends Schema ? Infer<S> : Otherwise;

/** Query parameters that every row accepts. */
export interface CommonQuery {
  readonly project?: string;
  readonly target?: string;
  readonly recursion?: 0 | 1 | 2;
  readonly filter?: string;
  readonly "all-projects"?: boolean;
}

export type ParamsOf<R extends RouteRow> = Readonly<Record<PathParams<R["path"]>, string>>;
export type QueryOf<R extends RouteRow> = CommonQuery & InferOr<R["query"], unknown>;
export type BodyOf<R extends RouteRow> = InferOr<R["body"], undefined>;
export type MetadataOf<R extends RouteRow> = InferOr<R["metadata"], unknown>;
