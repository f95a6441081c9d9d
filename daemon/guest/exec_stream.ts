/**
 * An exec on one connection, which costs a client one round trip instead of six. Texts of the client:
 * first what POST .../exec takes, later an empty one at the end of the input. Texts of ours, in JSON:
 * the id of the operation and the secret of its control websocket, a number where the bytes that follow
 * belong to another descriptor (1 before the first), and the operation as it ended, or an error.
 * Bytes are the streams. Control is a websocket of its own, for those who need it: it must not wait
 * behind an input that the program does not read.
 */
import { Fault } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import type { WebSocket } from "#daemon/http/websocket.ts";
import type { Duplex } from "node:stream";
import type { ExecSockets } from "./exec_session.ts";
import { PendingSockets } from "./pending_sockets.ts";
import type { Peer } from "./streams.ts";

type Message = readonly [data: Uint8Array, isBinary: boolean];

/** Owns the connection from here on: its end is the end of the client. */
export class ExecStream implements ExecSockets {
  readonly control = new PendingSockets(["control"]);
  readonly #websocket: WebSocket;
  readonly #socket: Duplex;
  readonly #gone = new AbortController();
  /** What came before somebody listened to the input. */
  #early: Message[] = [];
  #listener: (...message: Message) => void = (...message) => void this.#early.push(message);
  #descriptor = 1;

  /** @param websocket paused until somebody listens. */
  constructor(websocket: WebSocket, socket: Duplex) {
    this.#websocket = websocket;
    this.#socket = socket;
    websocket.on("message", (data, isBinary) => this.#listener(data as Uint8Array, isBinary));
    websocket.once("close", () => {
      this.#gone.abort(new Fault("bad_request", "the client went away"));
    });
  }

  /** Aborts when the client has gone. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** What the client wants, as JSON. @throws {Fault} bad_request if it does not say that in time. */
  async request(): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const late = setTimeout(() => {
      reject(new Fault("bad_request", "Timed out waiting for what to run"));
    }, LIMITS.websocketConnectMs);
    this.gone.addEventListener("abort", () => reject(this.gone.reason), { once: true });
    const keep = this.#listener;
    this.#listener = (data, isBinary) => {
      this.#listener = keep;
      this.#websocket.pause();
      if (isBinary) reject(new Fault("bad_request", "the first message is no text"));
      else resolve(String(data));
    };
    this.#websocket.resume();
    try {
      return JSON.parse(await promise);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new Fault("bad_request", "the first message is not valid JSON", { cause: error });
    } finally {
      clearTimeout(late);
    }
  }

  /** Tell the client something. */
  tell(news: unknown): void {
    this.#websocket.send(JSON.stringify(news), { binary: false });
  }

  peer(name: string): Promise<Peer> {
    if (name === "control") return this.control.peer(name);
    const descriptor = Number(name);
    return Promise.resolve({
      websocket: this.#websocket,
      socket: this.#socket,
      listen: (onMessage) => {
        this.#listener = onMessage;
        for (const message of this.#early.splice(0)) onMessage(...message);
      },
      send: (bytes, onSent) => {
        // A terminal's only stream is 0, where it is read and written.
        if (descriptor > 0 && descriptor !== this.#descriptor) this.tell(descriptor);
        this.#descriptor = descriptor || 1;
        this.#websocket.send(bytes, { binary: true }, onSent);
      },
      end: (onSent) => onSent(),
    });
  }

  /** Never: the connection's own end is the end. */
  isConnected(): boolean {
    return false;
  }

  require(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.control.close();
  }

  /** Say goodbye, when all has been told. */
  end(): void {
    this.#websocket.close(1000);
  }
}
