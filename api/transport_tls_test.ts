import { selfSigned } from "#base/x509.ts";
import assert from "node:assert/strict";
import { createServer } from "node:https";
import { connect, createServer as createProxy } from "node:net";
import { StreamTransport } from "./transport.ts";
import { tlsDialer } from "./transport_tls.ts";

interface World extends Disposable {
  readonly port: number;
  readonly proxyPort: number;
  readonly pem: string;
  /** What the proxy was asked for, with its authorization. */
  readonly asked: string[];
}

/** A TLS server that no name leads to, and a proxy that knows the way. */
async function open(refuses = false): Promise<World> {
  const pair = await selfSigned({
    kind: "server",
    commonName: "images",
    dnsNames: ["images.invalid"],
  });
  const server = createServer(
    { cert: pair.certificatePem, key: pair.keyPem },
    (_request, reply) => reply.end("hello"),
  );
  const asked: string[] = [];
  const proxy = createProxy((socket) => {
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
    });
  });
  await Promise.all(
    [server, proxy].map((one) =>
      new Promise<void>((resolve) => one.listen(0, "127.0.0.1", resolve))
    ),
  );
  return {
    port: portOf(server),
    proxyPort: portOf(proxy),
    pem: pair.certificatePem,
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

async function ask(world: World, user: string): Promise<string> {
  const proxy = { https: `http://${user}127.0.0.1:${world.proxyPort}`, http: "", ignoreHosts: "" };
  const dialer = tlsDialer("https://images.invalid:443", {
    pinnedPem: world.pem,
    allowOldTls: true,
    proxy,
  });
  const transport = new StreamTransport(dialer, "test");
  const reply = await transport.request({
    method: "GET",
    target: "/",
    headers: { Connection: "close" },
  });
  return await reply.text();
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
  using world = await open(true);

  await assert.rejects(
    ask(world, ""),
    /through the proxy 127.0.0.1:\d+: it refuses with status 403/,
  );
});
