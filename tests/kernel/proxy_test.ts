/** Proxies between us and image servers, and in front of our own listener. */
import { selfSigned } from "#base/x509.ts";
import { type Api, apiOf } from "#tests/world/api.ts";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { EventStream } from "#tests/world/events.ts";
import { linesOf, serverCertificate, serveTree } from "#tests/world/image_server.ts";
import { containerImagesTree } from "#tests/world/image_tree.ts";
import { relayTo } from "#tests/world/relay.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";

const PROGRAM = new URL("../world/connect_proxy.ts", import.meta.url).pathname;
const [PROXY_PORT, TREE_PORT] = [3128, 8456];
const PROXY = `https://127.0.0.1:${PROXY_PORT}`;
/** No name server knows it; the proxy does. */
const HIDDEN = `https://images.invalid:${TREE_PORT}`;
const CONNECT = `CONNECT images.invalid:${TREE_PORT} HTTP/1.1`;

let folder: string;
let certificate: Awaited<ReturnType<typeof serverCertificate>>;
let daemon: TestDaemon;
let api: Api;

Deno.test.beforeAll(async () => {
  folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "proxy-test." });
  certificate = await serverCertificate(folder);
  daemon = await TestDaemon.start({ ...OURS, env: { SSL_CERT_FILE: certificate.certificate } });
  api = apiOf(daemon);
});
Deno.test.afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await Deno.remove(folder, { recursive: true });
});

const inside = (...argv: string[]) => ["nsenter", "-t", `${daemon.pid}`, "-n", "--", ...argv];

async function startProxy(): Promise<{ asked: string[] } & AsyncDisposable> {
  const { certificate: file, key } = certificate;
  const [program = "", ...args] = inside(
    ...[Deno.execPath(), "run", "-A", "--no-lock", PROGRAM, `${PROXY_PORT}`, file, key],
  );
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "piped" }).spawn();
  const asked: string[] = [];
  const ready = Promise.withResolvers<void>();
  const reading = linesOf(
    child.stdout,
    (line) => line === "ready" ? ready.resolve() : void asked.push(line),
  );
  await ready.promise;
  return {
    asked,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await Promise.all([child.status, reading]);
    },
  };
}

Deno.test("proxy: client and daemon reach an image server through a proxy that speaks TLS", async () => {
  const path = `${folder}/tree`;
  await Deno.mkdir(path);
  const { fingerprint } = await containerImagesTree(path);
  await using _served = await serveTree(daemon, path, { ...certificate, port: TREE_PORT });
  await using proxy = await startProxy();
  const source = { type: "image", alias: "debian/12", protocol: "simplestreams", server: HIDDEN };
  const env = { ...daemon.env, SSL_CERT_FILE: certificate.certificate, HTTPS_PROXY: PROXY };
  const lxc = (...args: string[]) => must(inside(OURS.lxc, ...args), { env });

  await lxc("remote", "add", "hidden", HIDDEN, "--protocol", "simplestreams");
  assert.match(await lxc("image", "list", "hidden:", "-f", "csv"), /Debian bookworm/);
  assert.ok(proxy.asked.length > 0 && proxy.asked.every((line) => line === CONNECT));
  const before = proxy.asked.length;
  assert.match((await api.fails("POST", "/1.0/images", { source }))[1], /cannot reach/);
  const config = { "core.proxy_https": PROXY, "core.proxy_ignore_hosts": "images.invalid" };
  await api.do("PUT", "/1.0", { config });
  assert.match((await api.fails("POST", "/1.0/images", { source }))[1], /cannot reach/);
  assert.equal(proxy.asked.length, before, "the daemon has no proxy, or leaves it out");

  await api.do("PUT", "/1.0", { config: { "core.proxy_https": PROXY } });
  await api.do("POST", "/1.0/images", { source });

  assert.deepEqual(await api.get("/1.0/images"), [`/1.0/images/${fingerprint}`]);
  assert.ok(proxy.asked.length > before);
});

/** A request over TLS behind a PROXY header. @returns the status, undefined: the connection ended. */
async function askBehind(path: string, header: string, body: object): Promise<number | undefined> {
  const below = connect(path);
  below.write(header);
  const pair = await selfSigned({ kind: "client", commonName: "behind" });
  const socket = connectTls({
    socket: below,
    cert: pair.certificatePem,
    key: pair.keyPem,
    rejectUnauthorized: false,
  });
  const text = JSON.stringify(body);
  socket.write(
    "POST /1.0/certificates HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
      `Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
  );
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  socket.once("data", (reply: Uint8Array) => {
    resolve(Number(/^HTTP\/1.1 (\d+)/.exec(new TextDecoder().decode(reply))?.[1]));
  });
  socket.on("error", () => resolve(undefined)).on("close", () => resolve(undefined));
  const status = await promise;
  below.destroy();
  return status;
}

Deno.test("proxy: core.https_trusted_proxy says whose PROXY header counts, from now on", async () => {
  const config = { "core.https_address": "127.0.0.1:8443", "core.trust_password": "sesame" };
  await api.do("PUT", "/1.0", { config });
  await using relay = await relayTo(daemon, 8443);
  using events = await EventStream.open(api.socketPath, "?type=lifecycle");
  const header = "PROXY TCP4 192.0.2.7 198.51.100.2 1234 8443\r\n";
  const join = (name: string) =>
    askBehind(relay.path, header, { type: "client", name, password: "sesame" });
  const trust = (proxies: string) => ({
    config: { ...config, "core.https_trusted_proxy": proxies },
  });

  assert.equal(await join("early"), undefined);
  const [status, error] = await api.fails("PUT", "/1.0", trust("127.0.0.1,nobody"));
  assert.equal(status, 400);
  assert.match(error, /Not a valid network address "nobody"/);
  await api.do("PUT", "/1.0", trust("192.0.2.1, 127.0.0.1"));
  assert.equal(await join("behind"), 201);

  const { metadata } = await events.find((one) => one.metadata.action === "certificate-created");
  assert.equal(metadata.requestor.address, "192.0.2.7:1234");
  await api.do("PUT", "/1.0", trust("192.0.2.1"));
  assert.equal(await join("late"), undefined);
});
