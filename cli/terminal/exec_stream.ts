/** One command in an instance, all of it on one connection: where the server has that. */
import { type Client, ClientError } from "#api/client.ts";
import type { Envelope, OperationObject } from "#api/envelope.ts";
import type { WebSocketConnection } from "#api/websocket.ts";
import { forward, lazySender } from "./control.ts";
import { rawMode } from "./raw_mode.ts";
import { next, NOTHING, sendAll, type Sink, type Source, writeAll } from "./streams.ts";

/** What POST .../exec wants. */
export interface ExecRequest {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly interactive: boolean;
  readonly width: number;
  readonly height: number;
  readonly user: number;
  readonly group: number;
  readonly cwd: string;
}

export interface ExecStreams {
  /** undefined: the program's standard input is empty. */
  readonly input: Source | undefined;
  readonly output: Sink;
  readonly error: Sink;
}

export interface ExecCall {
  readonly client: Client;
  /** Of the instance. */
  readonly url: string;
  readonly request: ExecRequest;
  readonly streams: ExecStreams;
}

export const LOST = "the connection to the daemon was lost while the command ran";

/**
 * Run it. @returns the operation as it ended; undefined if the server refuses: it may not have this, or
 * say more of the reason to LXD's request.
 *
 * @throws {ClientError} for a request that can't be carried out.
 */
export async function executeOnStream(call: ExecCall): Promise<OperationObject | undefined> {
  const { client, url, request, streams } = call;
  using socket = await open(client, `${url}/exec`, request);
  if (socket === undefined) return undefined;
  using _raw = request.interactive ? rawMode() : undefined;
  const started = Promise.withResolvers<Started>();
  using control = lazySender(async () => {
    const { id, control } = await started.promise;
    return await client.operationWebsocket(id, control);
  });
  const sending = sendAll(streams.input ?? NOTHING, socket);
  const failed = new Promise<never>((_, reject) => sending.catch(reject));
  const received = receive(socket, streams, started.resolve);
  using _forwarded = forward(control.send, request.interactive);
  return await Promise.race([received, failed]);
}

async function open(client: Client, path: string, request: ExecRequest) {
  try {
    return await client.websocket(path, {}, JSON.stringify(request));
  } catch (error) {
    if (error instanceof ClientError) return undefined;
    throw error;
  }
}

interface Started {
  readonly id: string;
  /** Secret of the websocket for signals and sizes. */
  readonly control: string;
}

type News = number | Started | OperationObject | Envelope;

/** Until the operation has ended. @throws {ClientError} if there was none. */
async function receive(
  socket: WebSocketConnection,
  { output, error }: ExecStreams,
  onStarted: (started: Started) => void,
): Promise<OperationObject> {
  const decoder = new TextDecoder();
  let sink = output;
  let text = "";
  for (;;) {
    const piece = await next(socket);
    if (piece === undefined) throw new Error(LOST);
    if (piece.kind === "binary") {
      await writeAll(sink, piece.data);
      continue;
    }
    text += decoder.decode(piece.data, { stream: !piece.last });
    if (!piece.last) continue;
    const news: News = JSON.parse(text);
    text = "";
    if (typeof news === "number") sink = news === 2 ? error : output;
    else if ("control" in news) onStarted(news);
    else if ("error_code" in news) throw new ClientError(news.error_code, news.error);
    else return news;
  }
}
