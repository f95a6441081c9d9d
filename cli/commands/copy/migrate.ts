/** An instance from one server to another: the target pulls, the source pushes, or we relay. */
import type { Client } from "#api/client.ts";
import type { OperationObject } from "#api/envelope.ts";
import type { WebSocketConnection } from "#api/websocket.ts";
import { type Context, type Resource } from "#cli/context.ts";
import { serverOf } from "#cli/commands/image/copy.ts";

/** Source and target, and the URL of what is copied: an instance or a snapshot. */
export interface Ends {
  readonly from: Resource;
  readonly to: Resource;
  readonly url: string;
}

export interface Migration {
  readonly mode: string;
  /** Of POST /1.0/instances, but its source. */
  readonly body: Readonly<Record<string, unknown>>;
  /** What both servers must know of how it is sent. */
  readonly source: {
    readonly "base-image": string | undefined;
    readonly live: boolean;
    readonly refresh: boolean;
    readonly instance_only: boolean;
    readonly allow_inconsistent: boolean;
  };
}

/** @throws {ClientError} of the side that failed. */
export async function migrate(context: Context, ends: Ends, migration: Migration): Promise<void> {
  switch (migration.mode) {
    case "push":
      return await push(context, ends, migration);
    case "relay":
      return await relay(context, ends, migration);
    default:
      return await pull(context, ends, migration);
  }
}

type Secrets = Readonly<Record<string, string>>;

const TITLE = "Transferring instance";

/** What the source is asked for: an operation that others connect to, or that connects itself. */
function sourceBody({ source }: Migration, target?: unknown) {
  const { live, instance_only, allow_inconsistent } = source;
  return { migration: true, live, instance_only, allow_inconsistent, target };
}

async function startSource({ from, url }: Ends, migration: Migration): Promise<OperationObject> {
  const { metadata } = await from.client.send<OperationObject>("POST", url, {
    json: sourceBody(migration),
  });
  return metadata;
}

async function startTarget({ to }: Ends, migration: Migration): Promise<OperationObject> {
  const source = { type: "migration", mode: "push", ...migration.source };
  const { metadata } = await to.client.send<OperationObject>("POST", "/1.0/instances", {
    json: { ...migration.body, source },
  });
  return metadata;
}

async function pull(context: Context, ends: Ends, migration: Migration): Promise<void> {
  const { server, certificate } = await serverOf(context, ends.from);
  const operation = await startSource(ends, migration);
  const source = {
    type: "migration",
    mode: "pull",
    operation: `${server}/1.0/operations/${operation.id}`,
    certificate,
    secrets: operation.metadata,
    ...migration.source,
  };
  await context.operate(ends.to.client, "POST", "/1.0/instances", {
    title: TITLE,
    json: { ...migration.body, source },
  });
}

async function push(context: Context, ends: Ends, migration: Migration): Promise<void> {
  const { server, certificate } = await serverOf(context, ends.to, "target");
  const operation = await startTarget(ends, migration);
  const target = {
    operation: `${server}/1.0/operations/${operation.id}`,
    certificate,
    secrets: operation.metadata,
  };
  const { metadata: sending } = await ends.from.client.send<OperationObject>("POST", ends.url, {
    json: sourceBody(migration, target),
  });
  await both(context, ends, { sending, receiving: operation });
}

/** Neither server needs to reach the other: the streams go through this client. */
async function relay(context: Context, ends: Ends, migration: Migration): Promise<void> {
  const sending = await startSource(ends, migration);
  const receiving = await startTarget(ends, migration);
  const [from, to] = [secretsOf(sending), secretsOf(receiving)];
  await using streams = new AsyncDisposableStack();
  for (const name of Object.keys(from).filter((one) => to[one] !== undefined)) {
    const left = streams.use(await connect(ends.from.client, sending, from[name]));
    const right = streams.use(await connect(ends.to.client, receiving, to[name]));
    void bridge(left, right);
    void bridge(right, left);
  }
  await both(context, ends, { sending, receiving });
}

function secretsOf({ metadata }: OperationObject): Secrets {
  return Object.fromEntries(
    Object.entries(metadata ?? {}).map(([name, secret]) => [name, String(secret)]),
  );
}

function connect(client: Client, { id }: OperationObject, secret = "") {
  return client.operationWebsocket(id, secret);
}

/** Message by message until one side says goodbye. */
async function bridge(from: WebSocketConnection, to: WebSocketConnection): Promise<void> {
  try {
    for (;;) {
      const message = await from.message();
      if (message === undefined) break;
      await to.send(message.data, message.kind);
    }
  } catch {
    // Ignored: the operations say what went wrong.
  } finally {
    await to.close().catch(() => {}); // Ignored: it is gone already.
  }
}

/** Both sides must succeed; the first failure is told, the other side is cancelled. */
async function both(
  context: Context,
  { from, to }: Ends,
  { sending, receiving }: { sending: OperationObject; receiving: OperationObject },
): Promise<void> {
  const received = context.wait(to.client, receiving, TITLE);
  try {
    await Promise.all([from.client.wait(sending), received]);
  } catch (error) {
    const stop = (client: Client, operation: OperationObject) =>
      client.cancel(operation).catch(() => {}); // Ignored: it has ended, or can't be cancelled.
    await Promise.all([stop(from.client, sending), stop(to.client, receiving)]);
    await received.catch(() => {}); // Ignored: the first failure is the one to tell.
    throw error;
  }
}
