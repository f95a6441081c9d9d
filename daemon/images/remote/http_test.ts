import { addressBytes } from "#base/ip.ts";
import { selfSigned } from "#base/x509.ts";
import assert from "node:assert/strict";
import { createServer } from "node:https";
import { createRemoteHttp } from "./http.ts";

Deno.test("createRemoteHttp() says who asks where the URL does, and shows nobody the password", async () => {
  const { certificatePem, keyPem } = await selfSigned({
    kind: "server",
    commonName: "images",
    dnsNames: [],
    addresses: [addressBytes("127.0.0.1") ?? new Uint8Array()],
  });
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, certificatePem);
  Deno.env.set("SSL_CERT_FILE", file);
  const login = `Basic ${btoa("me:sesame")}`;
  const server = createServer({ cert: certificatePem, key: keyPem }, (request, response) => {
    if (request.url === "/moved") response.writeHead(302, { Location: "/here" }).end();
    else response.writeHead(request.headers.authorization === login ? 200 : 401).end("there");
  });
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await listening;
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const http = createRemoteHttp({ setting: () => Promise.resolve("") });

  try {
    const reply = await http.request(`https://me:sesame@127.0.0.1:${port}/moved`);
    assert.equal(await reply.text(), "there");
    await assert.rejects(
      http.request(`https://me:wrong@127.0.0.1:${port}/here`),
      ({ message }: Error) => message.includes("status 401") && !message.includes("wrong"),
    );
  } finally {
    Deno.env.delete("SSL_CERT_FILE");
    await Deno.remove(file);
    const { promise: closed, resolve: done } = Promise.withResolvers<unknown>();
    server.close(done);
    await closed;
  }
});
