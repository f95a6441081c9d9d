/** Ways in over the network besides the password: tokens, renewed certificates, secrets of images. */
import { emptyImage } from "#tests/fakes/image.ts";
import { Api, apiOf } from "#tests/world/api.ts";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { type Relay, relayTo, tlsClient } from "#tests/world/relay.ts";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";

const ADDRESS = "127.0.0.1:8443";

let daemon: TestDaemon;
let api: Api;
let relay: Relay;

Deno.test.beforeAll(async () => {
  daemon = await TestDaemon.start({ ...OURS });
  api = apiOf(daemon);
  await api.do("PUT", "/1.0", { config: { "core.https_address": ADDRESS } });
  await api.do("POST", "/1.0/projects", { name: "blue" });
  relay = await relayTo(daemon, 8443);
});
Deno.test.afterAll(async () => {
  await relay[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

interface Token {
  readonly id: string;
  /** As the user passes it on. */
  readonly text: string;
  // deno-lint-ignore no-explicit-any
  readonly metadata: any;
}

async function newToken(more: object = {}): Promise<Token> {
  const answer = await api.ask("POST", "/1.0/certificates", {
    name: "friend",
    type: "client",
    token: true,
    ...more,
  });
  assert.equal(answer.status, 202, answer.text);
  const { id, metadata } = answer.body.metadata;
  const { addresses, fingerprint, secret, expiresAt, request } = metadata;
  const token = {
    client_name: request.name,
    addresses,
    fingerprint,
    secret,
    expires_at: expiresAt ?? "0001-01-01T00:00:00Z",
  };
  return { id, metadata, text: btoa(JSON.stringify(token)) };
}

const use = (client: { api: Api }, password: string, more: object = {}) =>
  client.api.ask("POST", "/1.0/certificates", { type: "client", password, ...more });

Deno.test("tokens: one says where and what the server is, and lets one client in", async () => {
  const { text, metadata } = await newToken();
  const server = await api.get("/1.0");
  const [first, second] = [await tlsClient(relay), await tlsClient(relay)];

  assert.deepEqual(metadata.addresses, [ADDRESS]);
  assert.equal(metadata.fingerprint, server.environment.certificate_fingerprint);
  assert.equal((await use(first, text)).status, 201);
  assert.equal((await use(second, text)).status, 403);
  const added = await api.get(`/1.0/certificates/${first.fingerprint}`);
  assert.deepEqual([added.name, added.restricted, added.projects], ["friend", false, []]);
});

Deno.test("tokens: the client gets what the token grants, whatever it asks for", async () => {
  const { text } = await newToken({ restricted: true, projects: ["blue"] });
  const client = await tlsClient(relay);

  await use(client, text, { restricted: false, projects: ["default", "blue"], name: "king" });

  const added = await api.get(`/1.0/certificates/${client.fingerprint}`);
  assert.deepEqual([added.name, added.restricted, added.projects], ["friend", true, ["blue"]]);
  assert.equal((await client.api.ask("GET", "/1.0/instances?project=blue")).status, 200);
  assert.equal((await client.api.ask("GET", "/1.0/instances")).status, 403);
});

Deno.test("tokens: revoked, expired and invented ones let nobody in", async () => {
  const client = await tlsClient(relay);
  const revoked = await newToken();
  await api.do("DELETE", `/1.0/operations/${revoked.id}`);
  await api.do("PATCH", "/1.0", { config: { "core.remote_token_expiry": "1S" } });
  const expired = await newToken();
  await api.do("PATCH", "/1.0", { config: { "core.remote_token_expiry": "" } });
  await api.get(`/1.0/operations/${expired.id}/wait?timeout=5`);
  const invented = btoa(JSON.stringify({ secret: "0".repeat(64) }));

  assert.equal(expired.metadata.expiresAt > new Date(0).toISOString(), true);
  for (const text of [revoked.text, expired.text, invented, "password"]) {
    assert.equal((await use(client, text)).status, 403);
  }
  assert.deepEqual(
    await api.fails("PATCH", "/1.0", {
      config: { "core.remote_token_expiry": "soon" },
    }),
    [400, "cannot set 'core.remote_token_expiry' to 'soon': Invalid expiry expression"],
  );
});

Deno.test("certificates: a restricted client renews its own certificate, and changes nothing else", async () => {
  const { text } = await newToken({ restricted: true, projects: ["blue"] });
  const [old, renewed, other] = [
    await tlsClient(relay),
    await tlsClient(relay),
    await tlsClient(relay),
  ];
  await use(old, text);
  await use(other, (await newToken()).text);
  const path = `/1.0/certificates/${old.fingerprint}`;
  const change = async (at: string, body: object) => (await old.api.ask("PATCH", at, body)).status;

  assert.equal(await change(path, { name: "king" }), 403);
  assert.equal(await change(path, { restricted: false }), 403);
  assert.equal(await change(path, { projects: [] }), 403);
  assert.equal(
    await change(`/1.0/certificates/${other.fingerprint}`, { certificate: renewed.pem }),
    403,
  );
  assert.equal(await change(path, { certificate: "nonsense" }), 400);
  assert.equal(await change(path, { certificate: renewed.pem }), 200);

  assert.equal((await old.api.get("/1.0")).auth, "untrusted");
  assert.equal((await renewed.api.get("/1.0")).auth, "trusted");
  const { status } = await renewed.api.ask("DELETE", `/1.0/certificates/${renewed.fingerprint}`);
  assert.equal(status, 200);
  assert.equal((await renewed.api.get("/1.0")).auth, "untrusted");
});

Deno.test("https_address: another address at once; one that can't be changes nothing", async () => {
  await using other = await relayTo(daemon, 8447);
  const stranger = (path: string) => new Api({ socketPath: path, tls: {} });
  const set = (address: string) =>
    api.ask("PATCH", "/1.0", { config: { "core.https_address": address } });

  for (const wrong of ["192.0.2.77:8443", "127.0.0.1:99999", "[::1", "no/host"]) {
    assert.equal((await set(wrong)).status, 400, wrong);
  }
  assert.equal((await api.get("/1.0")).config["core.https_address"], ADDRESS);
  assert.equal((await stranger(relay.path).get("/1.0")).auth, "untrusted");

  assert.equal((await set("127.0.0.1:8447")).status, 200);

  assert.equal((await stranger(other.path).get("/1.0")).auth, "untrusted");
  await assert.rejects(stranger(relay.path).get("/1.0"));
  assert.equal((await set(ADDRESS)).status, 200);
});

Deno.test("cors: pages of the allowed origin are let in with the configured headers", async () => {
  await api.do("PATCH", "/1.0", {
    config: {
      "core.https_allowed_origin": "https://ui.example",
      "core.https_allowed_credentials": "true",
    },
  });

  const page = await api.ask("GET", "/1.0", undefined, {
    headers: { origin: "https://ui.example" },
  });
  const program = await api.ask("GET", "/1.0");

  assert.equal(page.headers["access-control-allow-origin"], "https://ui.example");
  assert.equal(page.headers["access-control-allow-credentials"], "true");
  assert.equal(program.headers["access-control-allow-origin"], undefined);
});

Deno.test("images: a stranger with the secret brings the image that is expected, once", async () => {
  const raw = emptyImage();
  const fingerprint = createHash("sha256").update(raw).digest("hex");
  const expect = await api.ask("POST", "/1.0/images", {
    public: true,
    properties: { from: "friend" },
    aliases: [{ name: "brought" }],
    source: { type: "image", mode: "push", fingerprint },
  });
  const { secret } = expect.body.metadata.metadata;
  const stranger = new Api({ socketPath: relay.path, tls: {} });
  const bring = (given: string, bytes = raw) =>
    stranger.ask("POST", "/1.0/images", undefined, {
      raw: bytes,
      headers: { "x-lxd-fingerprint": fingerprint, "x-lxd-secret": given },
    });

  assert.equal((await bring("0".repeat(64))).status, 403);
  const { body } = await bring(secret);
  const path = `/1.0/operations/${body.metadata.id}/wait?secret=${secret}`;
  assert.equal((await stranger.get(path)).status, "Success");
  assert.equal((await bring(secret)).status, 403);

  const image = await api.get(`/1.0/images/${fingerprint}`);
  assert.deepEqual([image.public, image.properties.from, image.aliases[0].name], [
    true,
    "friend",
    "brought",
  ]);
});
