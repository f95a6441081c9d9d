/** Image servers that die in the middle: their mirrors and their other addresses go on. */
import { type Api, apiOf } from "#tests/world/api.ts";
import { DEBIAN, OURS, TestDaemon } from "#tests/world/daemon.ts";
import { type Served, serverCertificate, serveTree } from "#tests/world/image_server.ts";
import { containerImagesTree } from "#tests/world/image_tree.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";

const MEGABYTE = 1 << 20;
const POLL_MS = 20;
const STALL_MS = 10_000;
/** What a certificate of the tests names beside 127.0.0.1. */
const HOST = "images.invalid";

let folder: string;
let certificate: Awaited<ReturnType<typeof serverCertificate>>;
let daemon: TestDaemon;
let api: Api;
let fingerprint: string;
let rootfs: string;

Deno.test.beforeAll(async () => {
  folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "mirror-test." });
  certificate = await serverCertificate(folder);
  daemon = await TestDaemon.start({ ...OURS, env: { SSL_CERT_FILE: certificate.certificate } });
  api = apiOf(daemon);
  await Deno.mkdir(`${folder}/one`);
  ({ fingerprint, rootfs } = await containerImagesTree(`${folder}/one`, undefined, 8 * MEGABYTE));
  await must(["cp", "-r", `${folder}/one`, `${folder}/two`]);
});
Deno.test.afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await Deno.remove(folder, { recursive: true });
});

const inside = (...argv: string[]) =>
  must(["nsenter", "-t", `${daemon.pid}`, "-n", "-m", "--", ...argv], {
    env: { ...daemon.env, SSL_CERT_FILE: certificate.certificate },
  });
const serve = (name: string, port: number, host = "127.0.0.1") =>
  serveTree(daemon, `${folder}/${name}`, { ...certificate, port, host });
const source = (server: string) => ({
  source: { type: "image", alias: "debian/12", protocol: "simplestreams", server },
});

/** What runs while `server` sends two megabytes, and no more; then it is killed. */
async function dyingInTheMiddle(server: Served, run: () => Promise<unknown>): Promise<void> {
  const { port } = new URL(server.url);
  await inside("nft", "add", "table", "inet", "stall");
  const chain = "{ type filter hook output priority 0; }";
  await inside("nft", "add", "chain", "inet", "stall", "out", chain);
  const rule = ["inet", "stall", "out", "tcp", "sport", port, "quota", "over", "2", "mbytes"];
  await inside("nft", "add", "rule", ...rule, "counter", "drop");
  const running = run();
  for (const end = performance.now() + STALL_MS;;) {
    if (/counter packets [1-9]/.test(await inside("nft", "list", "table", "inet", "stall"))) break;
    assert.ok(performance.now() < end, "the server was never asked for more than 2 MB");
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  await server.kill();
  await inside("nft", "delete", "table", "inet", "stall");
  await running;
}

Deno.test("image mirror: the one that the server names goes on where the server died", async () => {
  const tree = (...args: string[]) =>
    must([OURS.lxd, "image", "tree", `${folder}/one`, ...args], { env: daemon.env });
  await tree("--mirror", "https://127.0.0.1:8471", "--mirror", "https://127.0.0.1:8472");
  await tree("--keep", "1");
  await using one = await serve("one", 8470);
  await using two = await serve("two", 8472);
  await inside(OURS.lxc, "remote", "add", "one", one.url, "--protocol", "simplestreams");
  for (const lxc of [OURS.lxc, DEBIAN.lxc]) {
    assert.match(await inside(lxc, "image", "list", "one:", "-f", "csv"), /Debian bookworm/);
  }

  await dyingInTheMiddle(one, () => api.do("POST", "/1.0/images", source(one.url)));

  assert.deepEqual(await api.get("/1.0/images"), [`/1.0/images/${fingerprint}`]);
  assert.deepEqual(two.requests.map((line) => line.slice(line.indexOf("GET"))), [
    `GET /${rootfs} 206`,
  ]);
  await api.do("DELETE", `/1.0/images/${fingerprint}`);
});

Deno.test("image mirror: the client itself goes on at a mirror, too", async () => {
  await using one = await serve("one", 8470);
  await using two = await serve("two", 8472);

  await dyingInTheMiddle(one, () => inside(OURS.lxc, "image", "export", "one:debian/12", folder));

  assert.equal(two.requests.length, 1);
  const exported = await Deno.readFile(`${folder}/rootfs.squashfs`);
  assert.deepEqual(exported, await Deno.readFile(`${folder}/two/${rootfs}`));
});

Deno.test("image mirror: images.mirrors stands for a server that is not there at all", async () => {
  await using two = await serve("two", 8474);
  const away = "https://127.0.0.1:8473";
  const set = (value: string) => api.do("PATCH", "/1.0", { config: { "images.mirrors": value } });
  assert.match((await api.fails("POST", "/1.0/images", source(away)))[1], /cannot reach/);
  const bad = { config: { "images.mirrors": `${away}=http://127.0.0.1` } };
  assert.equal((await api.fails("PATCH", "/1.0", bad))[0], 400);

  await set(`${away}=https://127.0.0.1:8475,${two.url}`);
  await api.do("POST", "/1.0/images", source(away));

  const image = await api.get(`/1.0/images/${fingerprint}`);
  assert.equal(image.update_source.server, away);
  await set("");
  await api.do("DELETE", `/1.0/images/${fingerprint}`);
});

/** Shakes hands, and says no more. */
async function serveNothing(host: string, port: number): Promise<AsyncDisposable> {
  const { certificate: cert, key } = certificate;
  const listen = `OPENSSL-LISTEN:${port},bind=${host},cert=${cert},key=${key},verify=0,fork`;
  const child = new Deno.Command("nsenter", {
    args: ["-t", `${daemon.pid}`, "-n", "--", "socat", listen, "SYSTEM:true"],
    stdin: "null",
    stderr: "null",
  }).spawn();
  while (!(await inside("ss", "-Hlnt")).includes(`${host}:${port} `)) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

Deno.test("image mirror: a host is asked at its other address where one answers and fails", async () => {
  const hosts = `${folder}/hosts`;
  await Deno.writeTextFile(hosts, `127.0.0.2 ${HOST}\n127.0.0.3 ${HOST}\n`);
  await inside("mount", "--bind", hosts, "/etc/hosts");

  // Which of them comes first is the resolver's affair.
  for (const [port, broken, right] of [[8476, 2, 3], [8477, 3, 2]] as const) {
    await using _broken = await serveNothing(`127.0.0.${broken}`, port);
    await using other = await serve("two", port, `127.0.0.${right}`);
    await api.do("POST", "/1.0/images", source(`https://${HOST}:${port}`));
    assert.equal(other.requests.filter((line) => line.endsWith(" 200")).length, 4);
    await api.do("DELETE", `/1.0/images/${fingerprint}`);
  }
  await inside("umount", "/etc/hosts");
});
