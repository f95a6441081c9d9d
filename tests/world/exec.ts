/** Exec and console as a client of the protocol sees them: an operation and its websockets. */
import type { Api } from "./api.ts";
import assert from "node:assert/strict";
import { WebSocket } from "ws";

const WAIT_MS = 10_000;

export class ExecStreams implements AsyncDisposable {
  readonly #sockets = new Map<string, WebSocket>();
  readonly #texts = new Map<string, string>();
  #wake = () => {};

  private constructor(
    readonly api: Api,
    // deno-lint-ignore no-explicit-any
    readonly operation: any,
  ) {}

  static async start(api: Api, url: string, body: unknown, names: readonly string[]) {
    const answer = await api.ask("POST", url, body);
    assert.equal(answer.status, 202, answer.text);
    const streams = new ExecStreams(api, answer.body.metadata);
    for (const name of names) await streams.connect(name);
    return streams;
  }

  async connect(name: string, secret: string = this.operation.metadata.fds[name]): Promise<void> {
    const path = `/1.0/operations/${this.operation.id}/websocket?secret=${secret}`;
    const socket = new WebSocket(`ws+unix://${this.api.socketPath}:${path}`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once("open", resolve);
    socket.once("error", reject);
    socket.on("message", (data) => {
      this.#texts.set(name, (this.#texts.get(name) ?? "").slice(-100_000) + String(data));
      this.#wake();
    });
    await promise;
    this.#sockets.set(name, socket);
  }

  /** Wait until a stream has given what matches. */
  async until(name: string, wanted: RegExp, limitMs = WAIT_MS): Promise<void> {
    const late = AbortSignal.timeout(limitMs);
    while (!wanted.test(this.#texts.get(name) ?? "")) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#wake = resolve;
      late.addEventListener("abort", () => {
        reject(new Error(`no ${wanted} in ${JSON.stringify(this.#texts.get(name))}`));
      }, { once: true });
      await promise;
    }
  }

  send(name: string, bytes: string): void {
    this.#sockets.get(name)?.send(new TextEncoder().encode(bytes));
  }

  control(message: unknown): void {
    this.#sockets.get("control")?.send(JSON.stringify(message));
  }

  /** Read no more of a stream. */
  stall(name: string): void {
    this.#sockets.get(name)?.pause();
  }

  hangUp(name: string): void {
    this.#sockets.get(name)?.terminate();
  }

  /** The operation, at its end. */
  // deno-lint-ignore no-explicit-any
  async ended(): Promise<any> {
    return await this.api.get(`/1.0/operations/${this.operation.id}/wait?timeout=20`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets.values()) socket.terminate();
    await this.ended().catch(() => {}); // It may be forgotten already.
  }
}

export function openExec(api: Api, at: string, body: object, names: readonly string[]) {
  return ExecStreams.start(api, `${at}/exec`, { "wait-for-websocket": true, ...body }, names);
}
