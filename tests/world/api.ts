/** The API of a daemon as a test sees it: status, headers and body, no client of ours between. */
import { type IncomingHttpHeaders, request } from "node:http";
import { request as tlsRequest } from "node:https";
import assert from "node:assert/strict";
import { SLOWNESS } from "./slowness.ts";

const WAIT_SECONDS = 60 * SLOWNESS;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The envelope. */
  // deno-lint-ignore no-explicit-any
  readonly body: any;
}

export interface AskOptions {
  readonly headers?: Record<string, string>;
  /** Sent as it is, not as JSON. */
  readonly raw?: Uint8Array<ArrayBuffer>;
}

export interface ApiOptions {
  readonly socketPath: string;
  /** TLS through the socket (a relay to the daemon's port), with or without a certificate. */
  readonly tls?: { readonly cert?: string; readonly key?: string };
}

/** Of a daemon on its unix socket. */
export function apiOf({ directory }: { readonly directory: string }): Api {
  return new Api({ socketPath: `${directory}/unix.socket` });
}

export class Api {
  readonly #options: ApiOptions;

  get socketPath(): string {
    return this.#options.socketPath;
  }

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  ask(method: string, path: string, body?: unknown, options: AskOptions = {}): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const type = options.raw === undefined ? "application/json" : "application/octet-stream";
    const headers = { "content-type": type, ...options.headers };
    const { socketPath, tls } = this.#options;
    const send = tls === undefined ? request : tlsRequest;
    const where = { socketPath, agent: false as const, ...tls, rejectUnauthorized: false };
    const outgoing = send({ ...where, method, path, headers }, async (response) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of response) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString("utf8");
      const isJson = response.headers["content-type"]?.includes("json") === true && text !== "";
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        text,
        body: isJson ? JSON.parse(text) : undefined,
      });
    });
    outgoing.on("error", reject);
    outgoing.end(options.raw ?? (body === undefined ? undefined : JSON.stringify(body)));
    return promise;
  }

  /** The metadata of a request that must succeed. */
  // deno-lint-ignore no-explicit-any
  async get(path: string): Promise<any> {
    const { status, body } = await this.ask("GET", path);
    assert.equal(status, 200, `GET ${path}: ${JSON.stringify(body)}`);
    return body.metadata;
  }

  /** A request that must succeed; waits for its operation. @returns the metadata of the operation. */
  // deno-lint-ignore no-explicit-any
  async do(method: string, path: string, body?: unknown, options: AskOptions = {}): Promise<any> {
    const answer = await this.ask(method, path, body, options);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`);
    if (answer.status !== 202) return answer.body?.metadata;
    const ended = await this.get(`${answer.body.operation}/wait?timeout=${WAIT_SECONDS}`);
    assert.equal(ended.status, "Success", `${method} ${path}: ${JSON.stringify(ended)}`);
    return ended.metadata;
  }

  /** A request that must fail, at once or as an operation. @returns status and error. */
  async fails(method: string, path: string, body?: unknown): Promise<[number, string]> {
    const answer = await this.ask(method, path, body);
    if (answer.status !== 202) {
      assert.ok(answer.status >= 400, `${method} ${path}: ${answer.text}`);
      return [answer.status, answer.body.error];
    }
    const ended = await this.get(`${answer.body.operation}/wait?timeout=${WAIT_SECONDS}`);
    assert.equal(ended.status, "Failure", `${method} ${path}: ${JSON.stringify(ended)}`);
    return [ended.status_code, ended.err];
  }
}
