/** What a client hears whose request the parser could not read. */
import { Fault } from "#base/errors.ts";
import type { Duplex } from "node:stream";
import { errorResponse } from "./render.ts";

/** An error of the event "clientError" of node:http. */
interface ClientError extends Error {
  readonly code?: string;
  /** What came on the socket last. */
  readonly rawPacket?: Uint8Array;
}

/** In the words of Go's server, which are LXD's; anything else is a bad request. */
const STATUS_LINES: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
};
const BAD_REQUEST = "400 Bad Request";

/** Method of a request line that is a whole one: the parser knows those of RFC 9110 and WebDAV only. */
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}) \S+ HTTP\/1\.[01]\r?\n/;
/** The parser reads these: it stumbled over something else. */
const KNOWN = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** Pure. */
export function unreadableResponse({ code = "", rawPacket }: ClientError): string {
  const start = new TextDecoder("latin1").decode(rawPacket?.subarray(0, 4096));
  const method = REQUEST_LINE.exec(start)?.[1];
  if (method !== undefined && !KNOWN.includes(method)) {
    return errorResponse(new Fault("not_found", `Method "${method}" not found`));
  }
  const line = STATUS_LINES[code] ?? BAD_REQUEST;
  return `HTTP/1.1 ${line}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
    `Content-Length: ${line.length}\r\nConnection: close\r\n\r\n${line}`;
}

/** Tell the client, if it still listens, and close. */
export function refuseUnreadable(error: ClientError, socket: Duplex): void {
  const isGone = error.code === "ECONNRESET" || error.code === "EPIPE";
  if (isGone || !socket.writable) return void socket.destroy();
  socket.on("error", () => socket.destroy());
  socket.end(unreadableResponse(error), () => socket.destroy());
}
