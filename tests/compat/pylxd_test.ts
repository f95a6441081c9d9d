/** pylxd (Debian's python3-pylxd), by which Python programs drive LXD, on the socket and over TLS. */
import { fromPem, selfSigned } from "#base/x509.ts";
import { apiOf } from "#tests/world/api.ts";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";

const PROGRAM = new URL("./pylxd_day.py", import.meta.url).pathname;
const NAME = `pylxd${Deno.pid}`;
const ADDRESS = "127.0.0.1:8443";

let daemon: TestDaemon;
let image: string;

Deno.test.beforeAll(async () => {
  daemon = await TestDaemon.start({ ...OURS });
  const api = apiOf(daemon);
  await api.do("POST", "/1.0/storage-pools", { name: "pylxd", driver: "dir", config: {} });
  await api.do("PUT", "/1.0/profiles/default", {
    config: {},
    devices: { root: { type: "disk", path: "/", pool: "pylxd" } },
  });
  const source = { type: "build", alias: "busybox" };
  const built = await api.do("POST", "/1.0/images", { source, aliases: [{ name: "tiny" }] });
  image = built.fingerprint;
  await api.do("PUT", "/1.0", { config: { "core.https_address": ADDRESS } });
  const pair = await selfSigned({ kind: "client", commonName: "pylxd" });
  await Deno.writeTextFile(`${daemon.directory}/client.crt`, pair.certificatePem);
  await Deno.writeTextFile(`${daemon.directory}/client.key`, pair.keyPem);
  const certificate = Buffer.from(fromPem(pair.certificatePem)).toString("base64");
  await api.do("POST", "/1.0/certificates", { type: "client", name: "pylxd", certificate });
});
Deno.test.afterAll(() => daemon[Symbol.asyncDispose]());

/** In the network of the daemon. */
const pylxd = (endpoint: string) =>
  must([
    ...["nsenter", "-t", `${daemon.pid}`, "-n", "--", "/usr/bin/python3", "-W", "ignore"],
    ...[PROGRAM, endpoint, daemon.directory, image, NAME],
  ], { env: daemon.env });

Deno.test("pylxd drives the daemon through its socket", async () => {
  assert.equal(await pylxd("local"), "done\n");
});

Deno.test("pylxd drives the daemon over TLS with a certificate", async () => {
  assert.equal(await pylxd(`https://${ADDRESS}`), "done\n");
});
