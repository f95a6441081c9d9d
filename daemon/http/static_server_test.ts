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
