/** The JSON envelope around every reply, with LXD's field order. @see LXD doc/rest-api.md */
import { array, type Infer, integer, map, object, oneOf, string, unknown } from "./schema.ts";

export interface Envelope<Metadata = unknown> {
  readonly type: "sync" | "async" | "error";
  readonly status: string;
  readonly status_code: number;
  readonly operation: string;
  readonly error_code: number;
  readonly error: string;
  readonly metadata: Metadata;
}

export const OperationObject = object({
  id: string(),
  class: oneOf("task", "websocket", "token"),
  description: string(),
  created_at: string(),
  updated_at: string(),
  status: string(),
  status_code: integer(),
  resources: map(array(string())),
  metadata: unknown(),
  may_cancel: unknown(),
  err: string(),
  location: string(),
});
export type OperationObject = Omit<Infer<typeof OperationObject>, "metadata" | "may_cancel"> & {
  readonly metadata: Readonly<Record<string, unknown>> | null;
  readonly may_cancel: boolean;
};

export const EventObject = object({
  type: oneOf("operation", "lifecycle", "logging"),
  timestamp: string(),
  metadata: unknown(),
  location: string(),
  project: string(),
});
export type EventObject = Infer<typeof EventObject>;
