/** Who is let in over TLS: nobody unknown, a certificate that was added, a restricted one. */
import { emptyImage } from "#tests/fakes/image.ts";
import { Api, apiOf } from "#tests/world/api.ts";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { type Relay, relayTo, type TlsClient, tlsClient } from "#tests/world/relay.ts";
import assert from "node:assert/strict";

let daemon: TestDaemon;
let api: Api;
let relay: Relay;

Deno.test.beforeAll(async () => {
  daemon = await TestDaemon.start({ ...OURS });
  api = apiOf(daemon);
  await api.do("PUT", "/1.0", {
    config: { "core.https_address": "127.0.0.1:8443", "core.trust_password": "sesame" },
  });
  relay = await relayTo(daemon, 8443);
});
Deno.test.afterAll(async () => {
  await relay[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

type Client = TlsClient;
const newClient = () => tlsClient(relay);

const body = (client: Client) => ({
  type: "client",
  name: "test",
  certificate: client.pem.replaceAll(/-----.*-----|\n/g, ""),
});

async function trusted(more: object = {}): Promise<Client & AsyncDisposable> {
  const client = await newClient();
  await api.do("POST", "/1.0/certificates", { ...body(client), ...more });
  return {
    ...client,
    [Symbol.asyncDispose]: () => api.do("DELETE", `/1.0/certificates/${client.fingerprint}`),
  };
}

Deno.test("trust: a stranger sees what LXD shows, and gets nowhere else", async () => {
  for (const tls of [{}, undefined]) {
    const client = tls === undefined
      ? (await newClient()).api
      : new Api({ socketPath: relay.path, tls });
    const server = await client.get("/1.0");

    assert.deepEqual(Object.keys(server).toSorted(), [
      "api_extensions",
      "api_status",
      "api_version",
      "auth",
      "auth_methods",
      "public",
    ]);
    assert.equal(server.auth, "untrusted");
    assert.deepEqual(await client.get("/1.0/images"), []);
    for (const path of ["/1.0/instances", "/1.0/certificates", "/1.0/resources", "/1.0/events"]) {
      assert.deepEqual(await client.fails("GET", path), [403, "not authorized"], path);
    }
    assert.deepEqual(await client.fails("PUT", "/internal/shutdown"), [403, "not authorized"]);
    assert.deepEqual(await client.fails("POST", "/1.0/images", {}), [403, "not authorized"]);
    assert.equal((await client.fails("GET", "/1.0/nothing"))[0], 404);
  }
});

Deno.test("trust: the password lets a certificate in, a wrong one doesn't, and none is shown", async () => {
  const client = await newClient();
  const post = (password: string) =>
    client.api.ask("POST", "/1.0/certificates", { type: "client", password });

  for (const wrong of ["", "wrong", "true"]) assert.equal((await post(wrong)).status, 403);
  const right = await post("sesame");

  assert.deepEqual([right.status, right.headers.location], [
    201,
    `/1.0/certificates/${client.fingerprint}`,
  ]);
  assert.equal((await client.api.get("/1.0")).auth, "trusted");
  assert.equal((await client.api.get("/1.0")).config["core.trust_password"], true);
  assert.deepEqual(await client.api.get("/1.0/instances"), []);
  assert.equal((await api.ask("POST", "/1.0/certificates", body(client))).status, 409);
  assert.deepEqual(await client.api.fails("PUT", "/internal/shutdown"), [403, "not authorized"]);
  await client.api.do("DELETE", `/1.0/certificates/${client.fingerprint}`);
  assert.equal((await client.api.get("/1.0")).auth, "untrusted");
});

Deno.test("trust: who is trusted and shows its certificate again hears that it is known", async () => {
  await using client = await trusted();

  const again = { type: "client", password: "sesame" };
  const answer = await client.api.ask("POST", "/1.0/certificates", again);

  assert.deepEqual([answer.status, answer.body.error], [409, "Certificate already in trust store"]);
});

Deno.test("trust: a certificate is shown, changed and found by a prefix", async () => {
  await using client = await trusted();
  const path = `/1.0/certificates/${client.fingerprint.slice(0, 12)}`;

  assert.deepEqual(await api.get("/1.0/certificates"), [`/1.0/certificates/${client.fingerprint}`]);
  const shown = await api.get(path);
  assert.deepEqual(
    [shown.name, shown.type, shown.restricted, shown.projects, shown.certificate],
    ["test", "client", false, [], client.pem],
  );
  const { headers } = await api.ask("GET", path);
  await api.do("PATCH", path, { name: "renamed" }, { headers: { "if-match": `${headers.etag}` } });
  assert.equal((await api.get(path)).name, "renamed");
  const late = await api.ask("PATCH", path, {}, { headers: { "if-match": `${headers.etag}` } });
  assert.equal(late.status, 412);
  assert.equal((await api.fails("PATCH", path, { type: "king" }))[0], 400);
  assert.equal((await api.fails("PATCH", path, { projects: ["nowhere"] }))[0], 404);
});

Deno.test("trust: a restricted certificate stays in its projects", async () => {
  await api.do("POST", "/1.0/projects", { name: "blue" });
  await using client = await trusted({ restricted: true, projects: ["blue"] });
  const status = async (method: string, path: string, body?: unknown) =>
    (await client.api.ask(method, path, body)).status;

  assert.equal((await client.api.get("/1.0")).auth, "trusted");
  assert.deepEqual(await client.api.get("/1.0/projects"), ["/1.0/projects/blue"]);
  assert.equal(await status("GET", "/1.0/profiles?project=blue"), 200);
  assert.equal(await status("POST", "/1.0/profiles?project=blue", { name: "p" }), 201);
  assert.equal(await status("DELETE", "/1.0/profiles/p?project=blue"), 200);
  assert.equal(await status("GET", "/1.0/profiles"), 403);
  assert.equal(await status("POST", "/1.0/instances", { source: { type: "none" } }), 403);
  assert.equal(await status("GET", "/1.0/projects/default"), 403);
  assert.equal(await status("GET", "/1.0/projects/default/state"), 403);
  assert.equal(await status("PATCH", "/1.0", { config: {} }), 403);
  assert.equal(await status("POST", "/1.0/projects", { name: "x" }), 403);
  assert.equal(await status("POST", "/1.0/storage-pools", { name: "x", driver: "dir" }), 403);
  const own = `/1.0/certificates/${client.fingerprint}`;
  assert.equal(await status("PATCH", own, { restricted: false }), 403);
  assert.deepEqual(await client.api.get("/1.0/instances?project=blue&all-projects=true"), []);
});

Deno.test("trust: a restricted certificate can't let others in", async () => {
  await using client = await trusted({ restricted: true, projects: [] });
  const other = await newClient();

  assert.equal((await client.api.ask("POST", "/1.0/certificates", body(other))).status, 403);
});

Deno.test("trust: a stranger with the secret of an image downloads it, once", async () => {
  const raw = emptyImage();
  const { fingerprint } = await api.do("POST", "/1.0/images", undefined, { raw });
  const stranger = new Api({ socketPath: relay.path, tls: {} });
  const path = `/1.0/images/${fingerprint}`;
  assert.equal((await stranger.ask("GET", `${path}/export`)).status, 404);
  const token = await api.ask("POST", `${path}/secret`);
  const { secret } = token.body.metadata.metadata;

  assert.equal((await stranger.ask("GET", `${path}?secret=${secret}`)).status, 200);
  const download = await stranger.ask("GET", `${path}/export?secret=${secret}`);
  const again = await stranger.ask("GET", `${path}/export?secret=${secret}`);

  assert.equal(download.text, new TextDecoder().decode(raw));
  assert.equal(again.status, 404);
  await api.do("DELETE", path);
});

Deno.test("trust: public images are everybody's, private ones are not there", async () => {
  const raw = emptyImage();
  const { fingerprint } = await api.do("POST", "/1.0/images", undefined, { raw });
  await api.do("POST", "/1.0/images/aliases", { name: "empty", target: fingerprint });
  const stranger = new Api({ socketPath: relay.path, tls: {} });
  const path = `/1.0/images/${fingerprint}`;
  const statuses = async () =>
    await Promise.all(
      [path, `${path}/export`, "/1.0/images/aliases/empty"].map(async (one) =>
        (await stranger.ask("GET", one)).status
      ),
    );

  assert.deepEqual([await stranger.get("/1.0/images"), await statuses()], [[], [404, 404, 404]]);
  await api.do("PATCH", path, { public: true });

  assert.deepEqual([await stranger.get("/1.0/images"), await statuses()], [[path], [
    200,
    200,
    200,
  ]]);
  assert.equal((await stranger.fails("DELETE", path))[0], 403);
  await api.do("DELETE", path);
});

Deno.test("trust: the listener moves with its key, and stays where a move fails", async () => {
  const [status, error] = await api.fails("PATCH", "/1.0", {
    config: { "core.https_address": "192.0.2.77:8443" },
  });
  assert.deepEqual([status, /Cannot listen/.test(error)], [400, true]);
  const stranger = new Api({ socketPath: relay.path, tls: {} });
  assert.equal((await stranger.get("/1.0")).auth, "untrusted");
  assert.equal((await api.get("/1.0")).config["core.https_address"], "127.0.0.1:8443");

  await api.do("PATCH", "/1.0", { config: { "core.https_address": "127.0.0.1:9443" } });
  await assert.rejects(stranger.get("/1.0"));
  await api.do("PATCH", "/1.0", { config: { "core.https_address": "127.0.0.1:8443" } });

  assert.equal((await stranger.get("/1.0")).auth, "untrusted");
  assert.deepEqual((await api.get("/1.0")).environment.addresses, ["127.0.0.1:8443"]);
});

Deno.test("trust: candid is announced where it is configured, and macaroons are refused with a reason", async () => {
  const client = (await newClient()).api;
  const methods = async () => (await client.get("/1.0")).auth_methods;
  assert.deepEqual(await methods(), ["tls"]);

  await api.do("PATCH", "/1.0", { config: { "candid.api.url": "https://localhost:8081" } });

  assert.deepEqual(await methods(), ["tls", "candid"]);
  const headers = { "bakery-protocol-version": "3" };
  const answer = await client.ask("GET", "/1.0/instances", undefined, { headers });
  assert.equal(answer.status, 403);
  assert.match(answer.body.error, /macaroons are not accepted here .*--auth-type tls/);
  await using known = await trusted();
  assert.equal((await known.api.ask("GET", "/1.0/instances", undefined, { headers })).status, 200);
  await api.do("PATCH", "/1.0", { config: { "candid.api.url": "" } });
  assert.deepEqual(await methods(), ["tls"]);
});
