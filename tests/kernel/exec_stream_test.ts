/** Exec on one connection: the protocol of GET .../exec, spoken by hand, and by the client. */
import { type Client, connect } from "#api/client.ts";
import { executeOnStream } from "#cli/terminal/exec_stream.ts";
import type { Source } from "#cli/terminal/streams.ts";
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import { run } from "#tests/world/run.ts";
import assert from "node:assert/strict";

const NAME = `stream${Deno.pid}`;
const AT = `/1.0/instances/${NAME}`;

let world: InstanceDaemon;
let client: Client;

Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 31 });
  await world.launch(NAME);
  client = connect({ socket: `${world.daemon.directory}/unix.socket` });
});
Deno.test.afterAll(async () => {
  client[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

/** A sink that keeps what comes. */
function kept() {
  let text = "";
  return {
    get text() {
      return text;
    },
    write(bytes: Uint8Array) {
      text += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    },
  };
}

function source(bytes: Uint8Array): Source {
  let at = 0;
  return {
    read(into) {
      const piece = bytes.subarray(at, at += into.length);
      into.set(piece);
      return Promise.resolve(piece.length === 0 ? null : piece.length);
    },
  };
}

interface How {
  readonly input?: Source;
  readonly output?: ReturnType<typeof kept>;
  readonly interactive?: boolean;
}

async function execute(
  script: string,
  { input, output = kept(), interactive = false }: How = {},
) {
  const error = kept();
  const ended = await executeOnStream({
    client,
    url: AT,
    request: {
      command: ["sh", "-c", script],
      environment: {},
      interactive,
      width: 0,
      height: 0,
      user: 0,
      group: 0,
      cwd: "",
    },
    streams: { input, output, error },
  });
  return { status: ended?.metadata?.return, out: output.text, err: error.text, ended };
}

/** A session by hand: what we say first, and all texts and bytes until the other side closes. */
async function speak(first: unknown) {
  const socket = await client.websocket(`${AT}/exec`, {}, JSON.stringify(first));
  return {
    socket,
    async rest() {
      const said: unknown[] = [];
      for (;;) {
        const message = await socket.message();
        if (message === undefined) return said;
        const text = new TextDecoder().decode(message.data);
        said.push(message.kind === "text" ? JSON.parse(text) : text);
      }
    },
  };
}

Deno.test("exec stream: both outputs keep their order, the status and the operation arrive", async () => {
  const { status, out, err, ended } = await execute("echo 1; echo 2 >&2; echo 3; exit 7");
  assert.deepEqual([status, out, err], [7, "1\n3\n", "2\n"]);
  assert.deepEqual([ended?.class, ended?.status, ended?.description], [
    "websocket",
    "Success",
    "Executing command",
  ]);
});

Deno.test("exec stream: input arrives whole, also what comes with the first message", async () => {
  const bytes = new Uint8Array(3_000_000).fill(97);
  assert.equal((await execute("wc -c", { input: source(bytes) })).out.trim(), "3000000");

  const { socket, rest } = await speak({ command: ["cat"] });
  await Promise.all([socket.send("a"), socket.send("b"), socket.send("", "text")]);
  const said = await rest();
  assert.equal(said.filter((one) => typeof one === "string").join(""), "ab");
});

Deno.test("exec stream: a terminal's output arrives whole and in order, however slowly it is read", async () => {
  const lines = 600_000;
  const output = kept();
  const slow = {
    get text() {
      return output.text;
    },
    async write(bytes: Uint8Array) {
      // Now and then for so long that the daemon stops reading from the terminal.
      if (Math.random() < 0.02) await new Promise((resolve) => setTimeout(resolve, 60));
      return await output.write(bytes);
    },
  };
  const { status, out } = await execute(`seq ${lines}`, { output: slow, interactive: true });
  assert.equal(status, 0);
  const expected = Array.from({ length: lines }, (_, index) => `${index + 1}\r\n`).join("");
  assert.equal(out.length, expected.length);
  assert.ok(out === expected, "the pieces are out of order");
});

Deno.test("exec stream: what can't be run is told with a status, as POST tells it", async () => {
  assert.equal((await execute("exit 1")).status, 1);
  for (
    const [first, code, error] of [
      [{ command: [] }, 400, /command/],
      [{ command: "true" }, 400, /command/],
      [{ command: ["true"], nosuch: 1 }, 400, /nosuch/],
    ] as const
  ) {
    const [told] = await (await speak(first)).rest() as { error_code: number; error: string }[];
    assert.equal(told?.error_code, code);
    assert.match(told?.error ?? "", error);
  }
  const said = await (await speak({ command: ["/etc"] })).rest() as { err?: string }[];
  assert.equal(said.at(-1)?.err, "Command not executable");

  const missing = client.websocket(`/1.0/instances/${NAME}off/exec`, {}, "{}");
  await assert.rejects(missing, { name: "ClientError", status: 404 });
  assert.equal((await world.api.fails("GET", `${AT}/exec`))[0], 400);
});

Deno.test("exec stream: a signal passes an input that the program does not read", async () => {
  const endless: Source = { read: (into) => Promise.resolve(into.length) };
  const { socket } = await speak({
    command: ["sh", "-c", "trap 'exit 5' TERM; echo; while :; do sleep 0.1; done"],
  });
  using _socket = socket;
  const started = await socket.json() as { id: string; control: string };
  // It is prepared for the signal.
  while ((await socket.message())?.kind !== "binary");
  const flood = (async () => {
    const buffer = new Uint8Array(256 * 1024);
    for (;;) {
      await endless.read(buffer);
      await socket.send(buffer);
    }
  })();
  flood.catch(() => {}); // It ends with the connection.
  await new Promise((resolve) => setTimeout(resolve, 300));

  using control = await client.operationWebsocket(started.id, started.control);
  await control.send(JSON.stringify({ command: "signal", signal: 15 }), "text");

  for (;;) {
    const news = await socket.json() as { metadata?: { return?: number } };
    if (typeof news !== "object") continue;
    assert.equal(news.metadata?.return, 5);
    return;
  }
});

Deno.test("exec stream: the program ends with its client, and at a cancel", async () => {
  const gone = await speak({ command: ["sleep", "1234"] });
  const first = await gone.socket.json() as { id: string };
  gone.socket[Symbol.dispose]();
  const ended = await world.api.get(`/1.0/operations/${first.id}/wait?timeout=5`);
  assert.equal(ended.status_code >= 200, true);

  const cancelled = await speak({ command: ["sleep", "1234"] });
  const second = await cancelled.socket.json() as { id: string };
  await world.api.do("DELETE", `/1.0/operations/${second.id}`);
  const said = await cancelled.rest() as { status?: string }[];
  assert.equal(said.at(-1)?.status, "Cancelled");
  const left = await run(["pgrep", "-f", "^sleep 1234"], {});
  assert.equal(left.stdout, "");
});

Deno.test("exec stream: who asks for nothing is told so after five seconds", async () => {
  using socket = await client.websocket(`${AT}/exec`);
  const told = await socket.json() as { error: string };
  assert.match(told.error, /Timed out/);
});
