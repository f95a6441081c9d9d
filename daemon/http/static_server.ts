/** lxd image serve: the files below a folder over TLS, for reading only. */
import { hostPath } from "#base/brand.ts";
import { LIMITS } from "#base/limits.ts";
import { sendBytes } from "#daemon/host/send_bytes.ts";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { type ListenAddress, listenOptions } from "./address.ts";

export interface StaticServer {
  readonly directory: string;
  readonly address: ListenAddress;
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Each answered request. */
  readonly log: (line: string) => void;
}

const CONNECTIONS_MAX = 1024;

/** @returns the port, once it is listened to, and the end, which comes by `signal`. */
export async function serveFiles(
  options: StaticServer,
  signal: AbortSignal,
): Promise<{ port: number; ended: Promise<void> }> {
  const root = await Deno.realPath(options.directory);
  const server = createServer({
    cert: options.certificatePem,
    key: options.keyPem,
    minVersion: "TLSv1.2",
    maxHeaderSize: LIMITS.headerBytes,
    handshakeTimeout: LIMITS.handshakeMs,
  }, (request, response) => {
    answer(root, request, response)
      .catch(() => void response.destroy()) // Ignored: the client went, or the file shrank.
      .finally(() => {
        const { method, url } = request;
        options.log(`${request.socket.remoteAddress} ${method} ${url} ${response.statusCode}`);
      });
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.maxConnections = CONNECTIONS_MAX;
  server.headersTimeout = LIMITS.headersMs;
  const listening = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen(listenOptions(options.address), () => listening.resolve());
  await listening.promise;
  signal.addEventListener("abort", () => {
    server.close(() => ended.resolve());
    server.closeAllConnections();
  }, { once: true });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { port, ended: ended.promise };
}

async function answer(
  root: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.statusCode = 405;
    response.setHeader("Allow", "GET, HEAD");
    return void response.end();
  }
  const found = await findFile(root, request.url ?? "/");
  if (found === undefined) {
    response.statusCode = 404;
    return void response.end();
  }
  const { path, size, etag } = found;
  response.setHeader("Content-Type", path.endsWith(".json") ? "application/json" : BINARY);
  response.setHeader("Accept-Ranges", "bytes");
  response.setHeader("ETag", etag);
  if (request.headers["if-none-match"] === etag) {
    response.statusCode = 304;
    return void response.end();
  }
  const range = rangeOf(request.headers.range, size);
  if (range === "unsatisfiable") {
    response.statusCode = 416;
    response.setHeader("Content-Range", `bytes */${size}`);
    return void response.end();
  }
  const { start, end } = range ?? { start: 0, end: size - 1 };
  if (range !== undefined) {
    response.statusCode = 206;
    response.setHeader("Content-Range", `bytes ${start}-${end}/${size}`);
  }
  response.setHeader("Content-Length", end - start + 1);
  if (request.method === "HEAD" || size === 0) return void response.end();
  await sendBytes(response, hostPath(path), { offset: start, size: end - start + 1 });
}

const BINARY = "application/octet-stream";

/** Links that lead out of the folder lead nowhere, and what starts with a dot is nobody's business. */
async function findFile(root: string, url: string) {
  try {
    const name = decodeURIComponent(new URL(url, "https://server").pathname);
    if (name.split("/").some((part) => part.startsWith("."))) return undefined;
    const path = await Deno.realPath(`${root}${name}`);
    const info = await Deno.stat(path);
    if (!path.startsWith(`${root}/`) || !info.isFile) return undefined;
    const etag = `"${info.size.toString(16)}-${(info.mtime?.getTime() ?? 0).toString(16)}"`;
    return { path, size: info.size, etag };
  } catch {
    return undefined; // Ignored: not there, or not a path.
  }
}

/** One range, as downloads are resumed; undefined: the whole file. Pure. */
export function rangeOf(
  header: string | undefined,
  size: number,
): { start: number; end: number } | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (match === null || (match[1] === "" && match[2] === "")) return undefined;
  const last = size - 1;
  if (match[1] === "") {
    const count = Math.min(Number(match[2]), size);
    return count === 0 ? "unsatisfiable" : { start: size - count, end: last };
  }
  const start = Number(match[1]);
  const end = match[2] === "" ? last : Math.min(Number(match[2]), last);
  return start > end ? "unsatisfiable" : { start, end };
}
