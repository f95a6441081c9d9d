/** One command in an instance: its websockets, this process's standard streams, its exit status. */
import { type Client, ClientError } from "#api/client.ts";
import type { OperationObject } from "#api/envelope.ts";
import { STATUS } from "#api/status.ts";
import type { WebSocketConnection } from "#api/websocket.ts";
import { controlSender, forward } from "./control.ts";
import {
  type ExecCall,
  type ExecRequest,
  type ExecStreams,
  executeOnStream,
  LOST,
} from "./exec_stream.ts";
import { rawMode } from "./raw_mode.ts";
import { drain, NOTHING, receiveAll, sendAll } from "./streams.ts";

export interface ExecResult {
  /** 0..255 */
  readonly status: number;
  /** Why it did not run. */
  readonly error: string;
}

/** Run a command and pass its streams through. @throws {ClientError} if it can't be started. */
export async function execute(
  client: Client,
  url: string,
  { request, streams }: { request: ExecRequest; streams: ExecStreams },
): Promise<ExecResult> {
  const call = { client, url, request, streams };
  return resultOf(await executeOnStream(call) ?? await executeOnWebsockets(call));
}

/** LXD's way: a request, a websocket for each stream, and another request for the end. */
async function executeOnWebsockets(
  { client, url, request, streams }: ExecCall,
): Promise<OperationObject> {
  const { metadata: operation } = await client.send<OperationObject>("POST", `${url}/exec`, {
    json: { ...request, "wait-for-websocket": true, "record-output": false },
  });
  const sockets = await openSockets(client, operation);
  const end = client.get<OperationObject>(`/1.0/operations/${operation.id}/wait`, {
    query: { timeout: -1 },
  });
  using _raw = request.interactive ? rawMode() : undefined;
  const send = controlSender(socketOf(sockets, "control"));
  using _forwarded = forward(send, request.interactive);
  const data = passStreams(sockets, request.interactive, streams);
  data.catch(() => {}); // Ignored: awaited below, after the operation's end.
  const result = await end.catch((error) => {
    throw isLost(error) ? new Error(LOST, { cause: error }) : error;
  });
  await data;
  for (const socket of sockets.values()) socket[Symbol.dispose]();
  return result;
}

/** Did the daemon end, or another one answer that knows nothing of the operation? */
function isLost(error: unknown): boolean {
  return !(error instanceof ClientError) || error.status === 404;
}

type Sockets = ReadonlyMap<string, WebSocketConnection>;

async function openSockets(client: Client, operation: OperationObject): Promise<Sockets> {
  const fds = Object.entries(operation.metadata?.fds ?? {});
  const opened = await Promise.all(fds.map(async ([name, secret]) => {
    const socket = await client.operationWebsocket(operation.id, String(secret));
    return [name, socket] as const;
  }));
  return new Map(opened);
}

function socketOf(sockets: Sockets, name: string): WebSocketConnection {
  const socket = sockets.get(name);
  if (socket === undefined) throw new Error(`the server has no websocket "${name}" for exec`);
  return socket;
}

/** @returns when all output has arrived; the input is dropped then. */
async function passStreams(
  sockets: Sockets,
  interactive: boolean,
  { input, output, error }: ExecStreams,
): Promise<void> {
  const main = socketOf(sockets, "0");
  drain(socketOf(sockets, "control")).catch(() => {}); // Ignored: the operation tells the end.
  const sending = sendAll(input ?? NOTHING, main);
  const failed = new Promise<never>((_, reject) => sending.catch(reject));
  if (interactive) {
    await Promise.race([receiveAll(main, output), failed]);
    return;
  }
  drain(main).catch(() => {}); // Ignored: only pings come here.
  const received = Promise.all([
    receiveAll(socketOf(sockets, "1"), output),
    receiveAll(socketOf(sockets, "2"), error),
  ]);
  await Promise.race([received, failed]);
}

function resultOf(operation: OperationObject): ExecResult {
  const failed = operation.status_code !== STATUS.Success;
  const status = operation.metadata?.return;
  return {
    status: typeof status === "number" ? status & 255 : failed ? 1 : 0,
    error: failed ? operation.err || operation.status : "",
  };
}
