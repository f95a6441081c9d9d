/** Background operations: the contract. The registry that runs them is registry.ts. */
import type { OperationObject } from "#api/envelope.ts";
import type { Caller } from "#daemon/http/caller.ts";
import type { Duplex } from "node:stream";

export type OperationClass = "task" | "websocket" | "token";

export type OperationState =
  | { readonly status: "Pending" }
  | { readonly status: "Running" }
  | { readonly status: "Cancelling" }
  | { readonly status: "Success" }
  | { readonly status: "Failure"; readonly error: unknown }
  | { readonly status: "Cancelled" };

/** What the body of an operation may do while it runs. */
export interface OperationContext {
  readonly id: string;
  /** Aborts on DELETE /1.0/operations/{id} and at shutdown. */
  readonly signal: AbortSignal;
  /** Merge keys into the metadata and send an event, e.g. {download_progress: "rootfs: 12% (3MB/s)"}. */
  progress(metadata: Readonly<Record<string, unknown>>): void;
}

export interface OperationStart {
  readonly class?: OperationClass;
  /** LXD's wording, e.g. "Creating instance", "Executing command". */
  readonly description: string;
  readonly project: string;
  /** {instances: ["web"]} becomes URLs; `instances` is shown as `containers` too, as LXD does. */
  readonly resources?: Readonly<Record<string, readonly string[]>>;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly caller: Caller;
  /** The work; what it returns is merged into the metadata. A token operation has none. */
  readonly run?: (context: OperationContext) => Promise<Record<string, unknown> | void>;
  /** Called for GET /1.0/operations/{id}/websocket?secret=...; throws Fault not_authorized. */
  readonly connect?: (
    secret: string,
    socket: Duplex,
    head: Uint8Array,
    request: unknown,
  ) => Promise<void>;
  /** May a client cancel it by DELETE? Default: no for task, yes for websocket and token. */
  readonly cancellable?: boolean;
}

export interface Operation {
  readonly id: string;
  readonly project: string;
  readonly state: OperationState;
  /** The API's representation. */
  render(): OperationObject;
  /** Settles when the operation has ended; never rejects. */
  readonly done: Promise<void>;
}

export interface Operations {
  /** Start the work at once. The reply of the request is `background(operation)`. */
  start(options: OperationStart): Operation;
  /** @throws {Fault} not_found */
  get(id: string): Operation;
  list(project?: string): readonly Operation[];
  /** @throws {Fault} bad_request if it can't be cancelled. */
  cancel(id: string): void;
  /** Wait for running operations to end, cancelling what can be, at most `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>;
}
