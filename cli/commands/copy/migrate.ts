/** An instance or volume from one server to another: the target pulls, the source pushes, or we relay. */
import type { Client } from "#api/client.ts";
import type { OperationObject } from "#api/envelope.ts";
import type { WebSocketConnection } from "#api/websocket.ts";
import { type Context, type Resource } from "#cli/context.ts";
import { serversOf, tryServers } from "#cli/commands/image/source.ts";

/** Source and target, and the URL of what is copied: an instance or a snapshot. */
export interface Ends {
  readonly from: Resource;
  readonly to: Resource;
  readonly url: string;
}

export interface Migration {
  readonly mode: string;
  /** URL of what the new thing is POSTed to. */
  readonly collection: string;
  /** Of that POST, but its source. */
  readonly body: Readonly<Record<string, unknown>>;
  /** What the source must know of how it is sent. */
  readonly sending: Readonly<Record<string, unknown>>;
  /** What the target must know. */
  readonly receiving: Readonly<Record<string, unknown>>;
  readonly title: string;
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

/** What the source is asked for: an operation that others connect to, or that connects itself. */
function sourceBody({ sending }: Migration, target?: unknown) {
  return { ...sending, migration: true, target };
}

async function startSource({ from, url }: Ends, migration: Migration): Promise<OperationObject> {
  const { metadata } = await from.client.send<OperationObject>("POST", url, {
    json: sourceBody(migration),
  });
  return metadata;
}

async function startTarget({ to }: Ends, migration: Migration): Promise<OperationObject> {
  const source = { type: "migration", mode: "push", ...migration.receiving };
  const { metadata } = await to.client.send<OperationObject>("POST", migration.collection, {
    json: { ...migration.body, source },
  });
  return metadata;
}

async function pull(context: Context, ends: Ends, migration: Migration): Promise<void> {
  const servers = await serversOf(context, ends.from);
  const operation = await startSource(ends, migration);
  await tryServers(servers, ({ server, certificate }) => {
    const source = {
      type: "migration",
      mode: "pull",
      operation: `${server}/1.0/operations/${operation.id}`,
      certificate,
      secrets: operation.metadata,
      ...migration.receiving,
    };
    return context.operate(ends.to.client, "POST", migration.collection, {
      title: migration.title,
      json: { ...migration.body, source },
    });
  });
}

async function push(context: Context, ends: Ends, migration: Migration): Promise<void> {
  await tryServers(await serversOf(context, ends.to, "target"), async ({ server, certificate }) => {
    const operation = await startTarget(ends, migration);
    const target = {
      operation: `${server}/1.0/operations/${operation.id}`,
      certificate,
      secrets: operation.metadata,
    };
    const { metadata: sending } = await ends.from.client.send<OperationObject>("POST", ends.url, {
      json: sourceBody(migration, target),
    });
    await both(context, ends, { sending, receiving: operation, title: migration.title });
  });
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
  await both(context, ends, { sending, receiving, title: migration.title });
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
  { sending, receiving, title }: {
    readonly sending: OperationObject;
    readonly receiving: OperationObject;
    readonly title: string;
  },
): Promise<void> {
  const received = context.wait(to.client, receiving, title);
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
