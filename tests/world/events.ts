/** Listen to GET /1.0/events of a daemon on its unix socket. */
import { WebSocket } from "ws";

export interface Frame {
  readonly type: string;
  readonly project: string;
  readonly location: string;
  // deno-lint-ignore no-explicit-any
  readonly metadata: any;
}

export class EventStream implements Disposable {
  readonly frames: Frame[] = [];
  readonly #socket: WebSocket;
  #wake = () => {};

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data) => {
      this.frames.push(JSON.parse(String(data)));
      this.#wake();
    });
  }

  /** @param query "?type=lifecycle&all-projects=true" */
  static async open(socketPath: string, query: string): Promise<EventStream> {
    const socket = new WebSocket(`ws+unix://${socketPath}:/1.0/events${query}`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once("open", resolve);
    socket.once("error", reject);
    const stream = new EventStream(socket);
    await promise;
    return stream;
  }

  /** The first frame that `isWanted`, come or to come. */
  async find(isWanted: (frame: Frame) => boolean, limitMs = 10_000): Promise<Frame> {
    const late = AbortSignal.timeout(limitMs);
    for (;;) {
      const found = this.frames.find(isWanted);
      if (found !== undefined) return found;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#wake = resolve;
      late.addEventListener("abort", () => {
        const seen = this.frames.map(({ type, metadata }) => `${type} ${metadata.action ?? ""}`);
        reject(new Error(`no such event; seen: ${seen.join(", ")}`));
      }, { once: true });
      await promise;
    }
  }

  [Symbol.dispose](): void {
    this.#socket.terminate();
  }
}
