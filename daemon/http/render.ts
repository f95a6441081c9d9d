/** Write replies in LXD's envelope. The HTTP status of a failure comes only from the Fault's kind. */
import type { Envelope } from "#api/envelope.ts";
import { Fault, FAULT_STATUS, messageOf } from "#base/errors.ts";
import type { ServerResponse } from "node:http";
import { etagOf } from "./etag.ts";
import type { Reply } from "./handle.ts";

/** @throws {Fault} before anything was sent: the caller answers with it. */
export async function sendReply(response: ServerResponse, reply: Reply): Promise<void> {
  switch (reply.kind) {
    case "sync":
      return sendSync(response, reply);
    case "operation": {
      const { id, project } = reply.operation;
      const suffix = project === "default" ? "" : `?project=${encodeURIComponent(project)}`;
      const url = `/1.0/operations/${id}`;
      response.setHeader("Location", url + suffix);
      return sendJson(response, 202, {
        type: "async",
        status: "Operation created",
        status_code: 100,
        operation: url,
        error_code: 0,
        error: "",
        metadata: reply.operation.render(),
      });
    }
    case "raw":
      return await reply.send(response);
    case "upgrade":
      throw new Fault("bad_request", "this address answers only upgrade requests", {
        hint: "Connect with a websocket.",
      });
  }
}

function sendSync(response: ServerResponse, reply: Reply & { kind: "sync" }): void {
  for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value);
  if (reply.etag !== undefined) response.setHeader("ETag", `"${etagOf(reply.etag)}"`);
  if (reply.location !== undefined) response.setHeader("Location", headerText(reply.location));
  sendJson(response, reply.location === undefined ? 200 : 201, {
    type: "sync",
    status: "Success",
    status_code: 200,
    operation: "",
    error_code: 0,
    error: "",
    metadata: reply.metadata,
  });
}

/** Names are of any script, headers of ASCII. */
function headerText(url: string): string {
  return url.replace(/[^\x21-\x7e]+/g, (part) => encodeURIComponent(part.toWellFormed()));
}

function sendJson(response: ServerResponse, status: number, envelope: Envelope): void {
  const body = JSON.stringify(envelope) + "\n";
  response.statusCode = status;
  response.setHeader("Content-Type", "application/json");
  response.setHeader("Content-Length", Buffer.byteLength(body));
  response.end(body);
}

/** @returns the HTTP status. */
export function sendError(response: ServerResponse, error: unknown): number {
  const status = error instanceof Fault ? FAULT_STATUS[error.kind] : 500;
  if (response.headersSent) {
    response.destroy();
    return status;
  }
  sendJson(response, status, {
    type: "error",
    status: "",
    status_code: 0,
    operation: "",
    error_code: status,
    error: errorText(error),
    metadata: null,
  });
  return status;
}

/** What a client on a connection that speaks no HTTP any more is told of a failure. */
export function refusal(error: unknown): Pick<Envelope, "type" | "error" | "error_code"> {
  const status = error instanceof Fault ? error.status : 500;
  return { type: "error", error_code: status, error: errorText(error) };
}

/** A whole response with a refusal, for a connection that has no `ServerResponse`; it is the last one. */
export function errorResponse(error: unknown): string {
  const told = refusal(error);
  const body = JSON.stringify(told) + "\n";
  const reason = messageOf(error).replace(/[^\x20-\x7e]/g, " ").slice(0, 80);
  return `HTTP/1.1 ${told.error_code} ${reason}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
    `Connection: close\r\n\r\n${body}`;
}

/** Message and hint; a bug shows its message too, its stack is in the log. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error instanceof Fault && error.hint !== undefined
    ? `${error.message} (${error.hint})`
    : error.message;
}
