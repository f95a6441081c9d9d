import { selfSigned } from "#base/x509.ts";
import assert from "node:assert/strict";
import { request } from "node:https";
import { rangeOf, serveFiles } from "./static_server.ts";

Deno.test("rangeOf() reads one range, and says which can't be", () => {
  assert.deepEqual(rangeOf("bytes=2-", 10), { start: 2, end: 9 });
  assert.deepEqual(rangeOf("bytes=2-3", 10), { start: 2, end: 3 });
  assert.deepEqual(rangeOf("bytes=-3", 10), { start: 7, end: 9 });
  assert.equal(rangeOf("bytes=10-", 10), "unsatisfiable");
  assert.equal(rangeOf("bytes=-0", 10), "unsatisfiable");
  for (const whole of [undefined, "", "bytes=-", "bytes=1-2,4-5", "lines=1-2"]) {
    assert.equal(rangeOf(whole, 10), undefined);
  }
});

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly range: string | undefined;
}

async function world() {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/tree`);
  await Deno.writeTextFile(`${folder}/secret`, "secret");
  await Deno.writeTextFile(`${folder}/tree/file`, "0123456789");
  await Deno.writeTextFile(`${folder}/tree/.hidden`, "hidden");
  await Deno.symlink(`${folder}/secret`, `${folder}/tree/link`);
  const pair = await selfSigned({ kind: "server", commonName: "test", dnsNames: ["localhost"] });
  const stop = new AbortController();
  const { port, ended } = await serveFiles({
    directory: `${folder}/tree`,
    address: { host: "127.0.0.1", port: 0 },
    ...pair,
    log: () => {},
  }, stop.signal);
  const ask = (path: string, method = "GET", headers: Record<string, string> = {}) => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const sent = request({
      ...{ host: "127.0.0.1", port, path, method, headers, agent: false },
      rejectUnauthorized: false,
    }, (reply) => {
      let text = "";
      reply.on("data", (piece) => text += piece);
      reply.on("end", () =>
        resolve({
          status: reply.statusCode ?? 0,
          text,
          range: reply.headers["content-range"],
        }));
    });
    sent.on("error", reject);
    sent.end();
    return promise;
  };
  return {
    ask,
    url: `https://127.0.0.1:${port}`,
    tree: `${folder}/tree`,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

Deno.test("serveFiles() gives files and parts of them, and nothing outside", async () => {
  await using server = await world();

  assert.deepEqual(await server.ask("/file"), {
    status: 200,
    text: "0123456789",
    range: undefined,
  });
  assert.deepEqual(await server.ask("/file", "GET", { Range: "bytes=4-" }), {
    status: 206,
    text: "456789",
    range: "bytes 4-9/10",
  });
  assert.equal((await server.ask("/file", "GET", { Range: "bytes=10-" })).status, 416);
  assert.equal((await server.ask("/file", "POST")).status, 405);
  for (const path of ["/", "/link", "/.hidden", "/../secret", "/%2e%2e/secret", "/%ff", "/no"]) {
    const { status, text } = await server.ask(path);
    assert.deepEqual([status, text], [404, ""], path);
  }
});

Deno.test("serveFiles() answers what a client asks as soon as it has the bytes before", async () => {
  await using server = await world();
  await Deno.writeFile(`${server.tree}/large`, new Uint8Array(8 << 20));
  const pairs = Array.from({ length: 8 }, () => [
    ...["-o", "/dev/null", `${server.url}/file`, "-o", "/dev/null", `${server.url}/large`],
  ]).flat();

  const { stdout } = await new Deno.Command("curl", {
    args: [
      "-sk",
      "--fail-early",
      "--max-time",
      "10",
      "-w",
      "%{size_download} %{num_connects}\n",
      ...pairs,
    ],
  }).output();

  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  const expected = Array.from({ length: 8 }, () => ["10 0", "8388608 0"]).flat();
  assert.deepEqual(lines, ["10 1", ...expected.slice(1)]);
});

Deno.test("serveFiles() reads a file no faster than its reader", async () => {
  await using server = await world();
  const path = await emptyFile(`${server.tree}/huge`);
  await Deno.truncate(path, HUGE_BYTES);
  const seen: { atMs: number; bytes: number }[] = [];
  const watch = setInterval(() => {
    const bytes = bytesRead(path);
    if (bytes > 0) seen.push({ atMs: performance.now(), bytes });
  }, 10);

  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `curl -sk ${server.url}/huge | { head -c 65536; sleep 2; cat; } | wc -c`],
  }).output();

  clearInterval(watch);
  assert.equal(Number(new TextDecoder().decode(stdout)), HUGE_BYTES);
  // While the reader sleeps: it began to, at the earliest, when the first bytes were read.
  const [first = { atMs: 0, bytes: 0 }] = seen;
  const early = seen.filter(({ atMs }) => atMs - first.atMs < 1500).map(({ bytes }) => bytes);
  assert.ok(early.length > 10, `looked ${early.length} times`);
  assert.ok(Math.max(...early) < HUGE_BYTES / 3, `read ${Math.max(...early)} bytes`);
});

/** How far this process is in a file that it has open; the memory that it takes is that of all tests. */
function bytesRead(path: string): number {
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`) !== path) continue;
      return Number(/^pos:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${name}`))?.[1]);
    } catch {
      // Ignored: it was closed meanwhile.
    }
  }
  return 0;
}

const HUGE_BYTES = 128 * 1024 * 1024;

async function emptyFile(path: string): Promise<string> {
  await Deno.writeFile(path, new Uint8Array());
  return path;
}
