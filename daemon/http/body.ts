/** Bodies of requests, bounded. */
import { Fault } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import type { IncomingMessage } from "node:http";

/** @throws {Fault} too_large */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const late = setTimeout(() => request.destroy(), LIMITS.jsonBodyMs);
  try {
    for await (const chunk of request) {
      size += chunk.length;
      if (size > bytesMax) {
        throw new Fault("too_large", `the request body is larger than ${bytesMax} bytes`);
      }
      chunks.push(chunk);
    }
  } finally {
    clearTimeout(late);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The JSON body. @throws {Fault} bad_request if it is empty or no JSON */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const text = await readBody(request, LIMITS.jsonBodyBytes);
  if (text.trim() === "") {
    // Not an empty object: a PUT of that clears everything.
    throw new Fault("bad_request", "invalid request: the body is missing", {
      hint: "Send a JSON object.",
    });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Fault("bad_request", "invalid request: the body is not valid JSON", { cause: error });
  }
}

/** Does the request carry JSON rather than a file? */
export function isJson(request: IncomingMessage): boolean {
  const type = request.headers["content-type"] ?? "";
  return type === "" || type.includes("json") ||
    type.startsWith("application/x-www-form-urlencoded");
}
