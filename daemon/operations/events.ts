/** The event stream: the contract. The bus is event_bus.ts. */
import type { OperationObject } from "#api/envelope.ts";
import type { LogRecord } from "#base/log.ts";
import type { Caller } from "#daemon/http/caller.ts";

export interface LifecycleEvent {
  /** LXD's action name, e.g. "instance-created", "image-alias-deleted". */
  readonly action: string;
  /** URL of the object, e.g. "/1.0/instances/web". */
  readonly source: string;
  readonly project: string;
  readonly context?: Readonly<Record<string, unknown>>;
  readonly caller?: Caller;
}

export interface Events {
  lifecycle(event: LifecycleEvent): void;
  operation(project: string, operation: OperationObject): void;
  logging(record: LogRecord): void;
}
