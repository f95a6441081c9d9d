import { fingerprintOf, fromPem, selfSigned } from "#base/x509.ts";
import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { request } from "node:https";
import { connect, type Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { connect as connectTls } from "node:tls";
import { listenTls } from "#daemon/http/listeners.ts";
import { clientAddress } from "#daemon/http/proxy_header.ts";

const MEGABYTE = 1024 * 1024;
const QUICK = { handshakeMs: 300, headersMs: 400 };
/** What a slow transfer may cost: the target of the project. */
const GROWTH_MAX = 64 * MEGABYTE;

interface World extends AsyncDisposable {
  readonly port: number;
}

async function open(
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  isTrustedProxy = (_host: string) => false,
  limits = QUICK,
): Promise<World> {
  const pair = await selfSigned({ kind: "server", commonName: "test", dnsNames: ["localhost"] });
  const certificate = { ...pair, fingerprint: await fingerprintOf(fromPem(pair.certificatePem)) };
  const probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = probe.addr;
  probe.close();
  const where = { host: "127.0.0.1", port, certificate, limits, isTrustedProxy };
  const listener = await listenTls(where, {
    request: handle,
    upgrade: () => Promise.resolve(),
  });
  return { port, [Symbol.asyncDispose]: () => listener.close() };
}

const answerOk = (_request: IncomingMessage, response: ServerResponse) => {
  response.end("ok");
  return Promise.resolve();
};

/** Settles when the server has closed the connection. */
function closed(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on("error", () => undefined);
  socket.on("close", () => resolve());
  socket.resume();
  return promise;
}

function secure(port: number, send: string): Promise<void> {
  const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
    if (send !== "") socket.write(send);
  });
  return closed(socket);
}

function ask(port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const where = { host: "127.0.0.1", port, agent: false, rejectUnauthorized: false };
  request(where, (reply) => {
    reply.resume();
    resolve(reply.statusCode ?? 0);
  }).on("error", reject).end();
  return promise;
}

Deno.test("listenTls() drops who never says hello, sends no request, or sends it byte by byte", async () => {
  await using server = await open(answerOk);
  const { port } = server;

  await Promise.all([
    closed(connect(port, "127.0.0.1")),
    secure(port, ""),
    secure(port, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "),
    secure(port, `GET / HTTP/1.1\r\nX-Large: ${"a".repeat(100_000)}\r\n\r\n`),
    closed(
      connect(port, "127.0.0.1").on("connect", function (this: Socket) {
        this.write("GET / HTTP/1.1\r\n\r\n");
      }),
    ),
  ]);

  assert.equal(await ask(port), 200);
});

Deno.test("listenTls() answers while hundreds of half-open connections wait", async () => {
  // Time enough for the one that speaks, on a machine with much to do.
  await using server = await open(answerOk, undefined, { handshakeMs: 3000, headersMs: 3000 });
  const { port } = server;
  const waiting = Array.from({ length: 300 }, () => closed(connect(port, "127.0.0.1")));

  assert.equal(await ask(port), 200);
  await Promise.all(waiting);
});

/** Grows of this process' memory while `run` goes on. */
async function growth(run: () => Promise<void>): Promise<number> {
  const before = Deno.memoryUsage().rss;
  let most = before;
  const timer = setInterval(() => most = Math.max(most, Deno.memoryUsage().rss), 20);
  await run();
  clearInterval(timer);
  return most - before;
}

function curl(port: number, args: readonly string[], stdin = "/dev/null") {
  return new Deno.Command("sh", {
    args: ["-c", 'exec curl -sk "$@" <"$0"', stdin, ...args, `https://127.0.0.1:${port}/`],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

Deno.test("listenTls() lets an upload that nobody reads wait, without keeping it in memory", async () => {
  const arrived = Promise.withResolvers<void>();
  await using server = await open(async (incoming, response) => {
    incoming.pause();
    arrived.resolve();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    incoming.destroy();
    response.destroy();
  });

  const used = await growth(async () => {
    const child = curl(server.port, ["-T", "-"], "/dev/zero");
    await arrived.promise;
    await child.status;
  });

  assert.ok(used < GROWTH_MAX, `grew by ${Math.round(used / MEGABYTE)} MiB`);
});

Deno.test("listenTls() sends no faster than a slow client reads", async () => {
  const piece = new Uint8Array(MEGABYTE);
  let sent = 0;
  await using server = await open(async (_request, response) => {
    const pieces = Readable.from((function* () {
      for (;;) {
        sent += piece.length;
        yield piece.slice();
      }
    })());
    await pipeline(pieces, response).catch(() => undefined);
  });

  const used = await growth(async () => {
    const child = curl(server.port, ["--limit-rate", "1M", "--max-time", "1.5"]);
    await child.status;
  });

  assert.ok(used < GROWTH_MAX, `grew by ${Math.round(used / MEGABYTE)} MiB`);
  assert.ok(sent < GROWTH_MAX, `sent ${Math.round(sent / MEGABYTE)} MiB`);
});

/** What the server answers to a request that a proxy with this header hands on. */
async function askBehind(port: number, header: string): Promise<string> {
  const below = connect(port, "127.0.0.1");
  below.write(header);
  const socket = connectTls({ socket: below, rejectUnauthorized: false });
  socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  let text = "";
  socket.on("data", (piece: Uint8Array) => text += new TextDecoder().decode(piece));
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on("error", () => resolve()).on("close", () => resolve()).on("end", () => resolve());
  await promise;
  below.destroy();
  return text.split("\r\n\r\n")[1] ?? "";
}

const answerAddress = (request: IncomingMessage, response: ServerResponse) => {
  response.end(clientAddress(request.socket));
  return Promise.resolve();
};
const HEADER = "PROXY TCP4 192.0.2.7 198.51.100.2 1234 8443\r\n";

Deno.test("listenTls() takes the client's address from the header of a trusted proxy, which may leave it out", async () => {
  await using server = await open(answerAddress, (host) => host === "127.0.0.1");

  assert.equal(await askBehind(server.port, HEADER), "192.0.2.7:1234");
  assert.match(await askBehind(server.port, ""), /^127\.0\.0\.1:\d+$/);
  assert.match(await askBehind(server.port, "PROXY UNKNOWN\r\n"), /^127\.0\.0\.1:\d+$/);
  assert.equal(await askBehind(server.port, "PROXY TCP4 nonsense\r\n"), "");
  await closed(connect(server.port, "127.0.0.1"));
  assert.equal(await ask(server.port), 200);
});

Deno.test("listenTls() does not listen to the header of anybody else", async () => {
  await using server = await open(answerAddress, (host) => host === "192.0.2.1");

  assert.equal(await askBehind(server.port, HEADER), "");
  assert.match(await askBehind(server.port, ""), /^127\.0\.0\.1:\d+$/);
});
