import { addressBytes } from "#base/ip.ts";
import { selfSigned } from "#base/x509.ts";
import assert from "node:assert/strict";
import { createServer } from "node:https";
import { connect, createServer as createProxy, type Socket } from "node:net";
import { createServer as createTlsProxy } from "node:tls";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { NO_PROXY } from "./proxy.ts";
import { StreamTransport } from "./transport.ts";
import { tlsDialer } from "./transport_tls.ts";

const HIDDEN = "https://images.invalid:443";
const MEGABYTE = 1024 * 1024;

interface World extends Disposable {
  readonly port: number;
  readonly proxyPort: number;
  readonly scheme: "http" | "https";
  readonly pem: string;
  readonly proxyPem: string;
  /** What the proxy was asked for, with its authorization. */
  readonly asked: string[];
}

interface WorldOptions {
  readonly refuses?: boolean;
  /** The proxy itself speaks TLS, as 127.0.0.1. */
  readonly isTls?: boolean;
}

/** A TLS server that no name leads to, and a proxy that knows the way. */
async function open({ refuses = false, isTls = false }: WorldOptions = {}): Promise<World> {
  const pair = await selfSigned({
    kind: "server",
    commonName: "images",
    dnsNames: ["images.invalid"],
  });
  const server = createServer(
    { cert: pair.certificatePem, key: pair.keyPem },
    (request, reply) => request.url === "/large" ? void pour(reply) : void reply.end("hello"),
  );
  const asked: string[] = [];
  const serve = (socket: Socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", (head: Uint8Array) => {
      const [line = "", ...headers] = new TextDecoder().decode(head).split("\r\n");
      const user = headers.find((one) => one.startsWith("Proxy-Authorization: ")) ?? "";
      asked.push(`${line} ${user}`.trim());
      if (refuses) return void socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
      const upstream = connect(portOf(server), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
        upstream.pipe(socket).pipe(upstream);
      });
      upstream.on("error", () => socket.destroy());
      socket.on("close", () => upstream.destroy());
    });
  };
  const own = await selfSigned({
    kind: "server",
    commonName: "proxy",
    dnsNames: [],
    addresses: [addressBytes("127.0.0.1") ?? new Uint8Array()],
  });
  const proxy = isTls
    ? createTlsProxy({ cert: own.certificatePem, key: own.keyPem }, serve)
    : createProxy(serve);
  await Promise.all(
    [server, proxy].map((one) =>
      new Promise<void>((resolve) => one.listen(0, "127.0.0.1", resolve))
    ),
  );
  return {
    port: portOf(server),
    proxyPort: portOf(proxy),
    scheme: isTls ? "https" : "http",
    pem: pair.certificatePem,
    proxyPem: own.certificatePem,
    asked,
    [Symbol.dispose]() {
      server.closeAllConnections();
      server.close();
      proxy.close();
    },
  };
}

function portOf(server: { address(): unknown }): number {
  const address = server.address();
  return typeof address === "object" && address !== null && "port" in address
    ? Number(address.port)
    : 0;
}

let poured = 0;

/** 1 GiB, as fast as it is read. */
async function pour(reply: NodeJS.WritableStream): Promise<void> {
  const piece = new Uint8Array(MEGABYTE);
  poured = 0;
  const pieces = function* () {
    for (; poured < 1024 * MEGABYTE; poured += MEGABYTE) yield piece;
  };
  await pipeline(Readable.from(pieces()), reply).catch(() => undefined);
}

async function reply(world: World, { user = "", target = "/", url = HIDDEN }) {
  const address = `${world.scheme}://${user}127.0.0.1:${world.proxyPort}`;
  const dialer = tlsDialer(url, {
    pinnedPem: world.pem,
    allowOldTls: true,
    proxy: () => Promise.resolve({ ...NO_PROXY, https: address }),
  });
  const headers = { Connection: "close" };
  return await new StreamTransport(dialer, "test").request({ method: "GET", target, headers });
}

const ask = async (world: World, user: string) => await (await reply(world, { user })).text();

/** What the system trusts, besides nothing, while `run` goes on. */
async function trusting(pem: string, run: () => Promise<void>): Promise<void> {
  const file = await Deno.makeTempFile();
  const before = Deno.env.get("SSL_CERT_FILE");
  await Deno.writeTextFile(file, pem);
  Deno.env.set("SSL_CERT_FILE", file);
  try {
    await run();
  } finally {
    if (before === undefined) Deno.env.delete("SSL_CERT_FILE");
    else Deno.env.set("SSL_CERT_FILE", before);
    await Deno.remove(file);
  }
}

Deno.test("tlsDialer() reaches a server through a proxy, with the user that its address names", async () => {
  using world = await open();

  assert.equal(await ask(world, ""), "hello");
  assert.equal(await ask(world, "me:secret@"), "hello");

  assert.deepEqual(world.asked, [
    "CONNECT images.invalid:443 HTTP/1.1",
    `CONNECT images.invalid:443 HTTP/1.1 Proxy-Authorization: Basic ${btoa("me:secret")}`,
  ]);
});

Deno.test("tlsDialer() says which proxy refuses", async () => {
  using world = await open({ refuses: true });

  await assert.rejects(
    ask(world, ""),
    /through the proxy 127.0.0.1:\d+: it refuses with status 403/,
  );
});

Deno.test("tlsDialer() reaches a server through a proxy that speaks TLS", async () => {
  using world = await open({ isTls: true });

  await trusting(world.proxyPem, async () => {
    assert.equal(await ask(world, "me:secret@"), "hello");
  });

  assert.deepEqual(world.asked, [
    `CONNECT images.invalid:443 HTTP/1.1 Proxy-Authorization: Basic ${btoa("me:secret")}`,
  ]);
});

Deno.test("tlsDialer() sends nothing to a proxy whose certificate the system does not trust", async () => {
  using world = await open({ isTls: true });

  await trusting(world.pem, async () => {
    await assert.rejects(
      ask(world, "me:secret@"),
      /cannot reach images.invalid:443 through the proxy 127.0.0.1:\d+: .*certificate/i,
    );
  });

  assert.deepEqual(world.asked, []);
});

for (const way of ["directly", "through a proxy", "through a TLS proxy"]) {
  Deno.test(`tlsDialer() reads no faster than its reader, ${way}`, async () => {
    using world = await open({ isTls: way.includes("TLS") });

    await trusting(world.proxyPem, async () => {
      const large = await reply(world, {
        target: "/large",
        ...(way === "directly" && { url: `https://127.0.0.1:${world.port}` }),
      });
      await new Promise((resolve) => setTimeout(resolve, 1000));
      large.cancel();
    });

    assert.ok(poured < 64 * MEGABYTE, `sent ${poured / MEGABYTE} MiB`);
  });
}
