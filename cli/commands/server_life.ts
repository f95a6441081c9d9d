/** lxd waitready, lxd shutdown: the beginning and the end of the daemon, as its starters see them. */
import { type Client, localSocket } from "#api/client.ts";
import { type Command, command } from "#cli/command.ts";

const TIMEOUT = {
  timeout: { kind: "int", short: "t", summary: "Number of seconds to wait before giving up" },
} as const;

export const SERVER_LIFE_COMMANDS: readonly Command[] = [
  command({
    name: "waitready",
    only: "lxd",
    usage: "",
    summary: "Wait for LXD to be ready to process requests",
    description: "Returns once the daemon answers and has done what it does at its start, " +
      "such as\nstarting instances. Without --timeout it waits for ever.",
    flags: TIMEOUT,
    args: [0, 0],
    async run(context, _args, { timeout }) {
      const deadline = timeout > 0 ? AbortSignal.timeout(timeout * 1000) : undefined;
      const { reason } = await untilReady(context.client("local"), deadline);
      if (reason === undefined) return;
      throw new Error(`LXD still not running after ${timeout}s timeout (${reason})`);
    },
  }),
  command({
    name: "shutdown",
    only: "lxd",
    usage: "",
    summary: "Tell LXD to shutdown all containers and exit",
    description: "Returns when the daemon has ended. Instances get the time that their own\n" +
      "configuration gives them to end by themselves.",
    flags: {
      ...TIMEOUT,
      force: {
        kind: "bool",
        short: "f",
        summary: "Force shutdown instead of waiting for running operations to finish",
      },
    },
    args: [0, 0],
    async run(context, _args, { force, timeout }) {
      const client = context.client("local");
      const deadline = timeout > 0 ? AbortSignal.timeout(timeout * 1000) : undefined;
      const ended = shutDown(client, force);
      if (await Promise.race([ended, aborted(deadline)]) === "aborted") {
        throw new Error(`LXD still running after ${timeout}s timeout`);
      }
    },
  }),
];

/** The daemon ends its event streams last: such a stream tells when it is gone. */
async function shutDown(client: Client, force: boolean): Promise<void> {
  using events = await client.websocket("/1.0/events");
  await client.send("PUT", "/internal/shutdown", { query: { force } });
  try {
    while (await events.message() !== undefined);
  } catch {
    // Ignored: the daemon is gone without a word.
  }
}

/** A missed change of the socket costs at most this. */
const LOOK_AGAIN_MS = 1000;

/** Ask again whenever the socket changes, until the daemon says it is ready. */
async function untilReady(
  client: Client,
  deadline: AbortSignal | undefined,
): Promise<{ reason?: string }> {
  const socket = localSocket((name) => Deno.env.get(name));
  for (;;) {
    using changes = watch(socket.slice(0, socket.lastIndexOf("/")) || "/");
    try {
      await client.send("GET", "/internal/ready", { signal: deadline });
      return {};
    } catch (error) {
      if (deadline?.aborted) return { reason: "it does not answer" };
      const reason = error instanceof Error ? error.message : String(error);
      const again = AbortSignal.timeout(LOOK_AGAIN_MS);
      const next = changes?.[Symbol.asyncIterator]().next();
      await Promise.race([...(next ? [next] : []), aborted(again), aborted(deadline)]);
      if (deadline?.aborted) return { reason };
    }
  }
}

function watch(folder: string): Deno.FsWatcher | undefined {
  try {
    return Deno.watchFs(folder, { recursive: false });
  } catch {
    return undefined; // Ignored: the folder is not there yet; we look again.
  }
}

function aborted(signal: AbortSignal | undefined): Promise<"aborted"> {
  return new Promise((resolve) => {
    if (signal?.aborted) resolve("aborted");
    signal?.addEventListener("abort", () => resolve("aborted"), { once: true });
  });
}
