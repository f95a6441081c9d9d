/** What a route handler gets and gives back. Rendering and status codes are elsewhere (render.ts). */
import type { BodyOf, MetadataOf, ParamsOf, QueryOf, RouteRow } from "#api/route.ts";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Operation } from "#daemon/operations/operation.ts";
import type { Services } from "#daemon/services.ts";
import type { Caller } from "./caller.ts";

/** One request, parsed by its row. */
export interface Call<R extends RouteRow> {
  readonly params: ParamsOf<R>;
  /** `project` is always set ("default"), `recursion` too (0). */
  readonly query: QueryOf<R> & {
    readonly project: string;
    readonly recursion: 0 | 1 | 2;
    readonly allProjects: boolean;
  };
  readonly body: BodyOf<R>;
  readonly caller: Caller;
  /** Path prefix the caller used: "/1.0/instances" or "/1.0/containers" (for URLs in lists). */
  readonly request: IncomingMessage;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
  /** Throw 412 unless If-Match is absent or matches `etagValue` (hashed as LXD hashes it). */
  ifMatch(etagValue: unknown): void;
}

export type Reply =
  | {
    readonly kind: "sync";
    readonly metadata: unknown;
    /** Value whose hash becomes the ETag header. */
    readonly etag?: unknown;
    /** Turns the reply into 201. */
    readonly location?: string;
    readonly headers?: Readonly<Record<string, string>>;
  }
  | { readonly kind: "operation"; readonly operation: Operation }
  | {
    /** The handler writes the whole response itself. */
    readonly kind: "raw";
    readonly send: (response: ServerResponse) => Promise<void>;
  }
  | {
    /** The handler takes over the connection (websocket or raw socket) after the upgrade request. */
    readonly kind: "upgrade";
    readonly accept: (socket: Duplex, head: Uint8Array) => Promise<void>;
  };

/** Sync reply; `{}` when there is nothing to say. */
export function sync(
  metadata: unknown = {},
  options: { etag?: unknown; location?: string; headers?: Record<string, string> } = {},
): Reply {
  return { kind: "sync", metadata, ...options };
}

/** An empty reply that says where the new thing is. */
export function created(location: string): Reply {
  return { kind: "sync", metadata: {}, location };
}

/** The work goes on as this operation: 202, with its URL. */
export function background(operation: Operation): Reply {
  return { kind: "operation", operation };
}

/** A row bound to its handler; `daemon/routes/*.ts` default-export arrays of these. */
export interface BoundRoute {
  readonly row: RouteRow;
  run(services: Services, call: Call<RouteRow>): Promise<Reply>;
}

/** Bind a handler to its row; params, query and body are typed by the row. */
export function handle<const R extends RouteRow>(
  row: R,
  run: (services: Services, call: Call<R>) => Promise<Reply> | Reply,
): BoundRoute {
  return { row, run: async (services, call) => await run(services, call) };
}

/** Type of the metadata that a handler of `R` must produce, for annotating render functions. */
export type Metadata<R extends RouteRow> = MetadataOf<R>;
