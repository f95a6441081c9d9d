/** A page of another origin (such as LXD's web interface) that drives the daemon over TLS. */
import { Api, apiOf } from "#tests/world/api.ts";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { type Relay, relayTo, tlsClient } from "#tests/world/relay.ts";
import assert from "node:assert/strict";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";

const ORIGIN = "https://ui.example";
const CONFIG = {
  "core.https_address": "127.0.0.1:8443",
  "core.https_allowed_origin": ORIGIN,
  "core.https_allowed_methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
  "core.https_allowed_headers": "Content-Type, X-Requested-With",
  "core.https_allowed_credentials": "true",
};
const CORS = {
  "access-control-allow-origin": ORIGIN,
  "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
  "access-control-allow-headers": "Content-Type, X-Requested-With",
  "access-control-allow-credentials": "true",
};

let daemon: TestDaemon;
let local: Api;
let relay: Relay;

Deno.test.beforeAll(async () => {
  daemon = await TestDaemon.start({ ...OURS });
  local = apiOf(daemon);
  await local.do("PUT", "/1.0", { config: CONFIG });
  relay = await relayTo(daemon, 8443);
});
Deno.test.afterAll(async () => {
  await relay[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

const cors = (headers: object) =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.startsWith("access-control-")),
  );

async function page() {
  const pair = await tlsClient(relay);
  const certificate = pair.pem.replaceAll(/-----.*-----|\n/g, "");
  await local.do("POST", "/1.0/certificates", { type: "client", name: "page", certificate });
  return pair;
}

Deno.test("browser: a preflight without a certificate hears what is allowed, on any path", async () => {
  const stranger = new Api({ socketPath: relay.path, tls: {} });
  const headers = {
    origin: ORIGIN,
    "access-control-request-method": "PUT",
    "access-control-request-headers": "content-type",
  };

  for (const path of ["/1.0", "/1.0/instances/c1/state", "/1.0/events"]) {
    const answer = await stranger.ask("OPTIONS", path, undefined, { headers });
    assert.deepEqual([answer.status, cors(answer.headers), answer.text], [200, CORS, ""]);
  }
  assert.equal((await stranger.ask("OPTIONS", "/1.0")).status, 200);
  assert.equal((await local.ask("OPTIONS", "/internal/ready")).status, 404);
});

Deno.test("browser: what a web interface asks at its start is answered, with the headers for its origin", async () => {
  const { api } = await page();
  const ask = (path: string) => api.ask("GET", path, undefined, { headers: { origin: ORIGIN } });

  for (
    const path of [
      "/1.0",
      "/1.0?project=default",
      "/1.0/projects?recursion=1",
      "/1.0/certificates?recursion=1",
      "/1.0/instances?recursion=2&project=default",
      "/1.0/instances?recursion=2&all-projects=true",
      "/1.0/images?recursion=1&project=default",
      "/1.0/profiles?recursion=1",
      "/1.0/networks?recursion=1",
      "/1.0/storage-pools?recursion=1",
      "/1.0/operations?recursion=1&all-projects=true",
      "/1.0/warnings?recursion=1",
      "/1.0/cluster",
      "/1.0/resources",
    ]
  ) {
    const answer = await ask(path);
    assert.deepEqual([answer.status, cors(answer.headers)], [200, CORS], path);
  }
  // It came after 5.0: a page must hear that it is not there.
  for (const path of ["/ui", "/ui/", "/ui/index.html", "/1.0/metadata/configuration"]) {
    const answer = await ask(path);
    assert.deepEqual([answer.status, answer.body.error_code], [404, 404], path);
    assert.deepEqual(cors(answer.headers), CORS);
  }
});

/** Ask for a websocket as a browser does. @returns all that comes, until it has `wanted`. */
async function events(tls: object, wanted: string, opened: () => Promise<unknown>) {
  const socket = connectTls({ socket: connect(relay.path), ...tls, rejectUnauthorized: false });
  socket.write(
    "GET /1.0/events?type=lifecycle&all-projects=true HTTP/1.1\r\nHost: 127.0.0.1\r\n" +
      `Origin: ${ORIGIN}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${btoa("0123456789abcdef")}\r\n\r\n`,
  );
  let text = "";
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.on("error", reject).on("end", resolve);
  socket.setTimeout(10_000, () => reject(new Error(`no more came after: ${text}`)));
  socket.on("data", (piece: Uint8Array) => {
    const isFirst = text === "";
    text += new TextDecoder("latin1").decode(piece);
    if (isFirst) opened().catch(reject);
    if (text.includes(wanted)) resolve();
  });
  await promise;
  socket.destroy();
  return text;
}

Deno.test("browser: a page listens to events by a websocket, with its certificate", async () => {
  const { tls } = await page();

  const known = await events(
    tls,
    "project-created",
    () => local.do("POST", "/1.0/projects", { name: "seen" }),
  );
  const stranger = await events({}, "never", () => Promise.resolve());

  assert.match(known, /^HTTP\/1.1 101 .*"action":"project-created"/s);
  assert.match(stranger, /^HTTP\/1.1 403 /);
});
