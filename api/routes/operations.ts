/** Operations and events. */
import { OperationObject } from "#api/envelope.ts";
import { route } from "#api/route.ts";
import { object, optional, string } from "#api/schema.ts";

export const getOperations = route({
  method: "GET",
  path: "/1.0/operations",
  summary: "List operations by their status",
  access: "trusted",
  reply: "sync",
});
export const getOperation = route({
  method: "GET",
  path: "/1.0/operations/{id}",
  summary: "Show an operation",
  access: "trusted",
  reply: "sync",
  metadata: OperationObject,
});
export const deleteOperation = route({
  method: "DELETE",
  path: "/1.0/operations/{id}",
  summary: "Cancel an operation",
  access: "trusted",
  reply: "sync",
});
export const waitOperation = route({
  method: "GET",
  path: "/1.0/operations/{id}/wait",
  summary: "Wait until an operation ends, at most `timeout` seconds (-1: for ever)",
  access: "anyone",
  reply: "sync",
  query: object({ timeout: optional(string()), secret: optional(string()) }),
  metadata: OperationObject,
});
export const operationWebsocket = route({
  method: "GET",
  path: "/1.0/operations/{id}/websocket",
  summary: "Connect to a stream of an operation",
  access: "anyone",
  reply: "upgrade",
  query: object({ secret: optional(string()) }),
});
export const getEvents = route({
  method: "GET",
  path: "/1.0/events",
  summary: "Follow events over a websocket",
  access: "trusted",
  reply: "upgrade",
  query: object({ type: optional(string()) }),
});
