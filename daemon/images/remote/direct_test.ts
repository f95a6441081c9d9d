import type { TransportReply } from "#api/transport.ts";
import { hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { directServer } from "./direct.ts";
import type { RemoteHttp, RemoteRequest } from "./http.ts";
import { parseSource } from "./source.ts";

const BYTES = new TextEncoder().encode("an image");
const HASH = createHash("sha256").update(BYTES).digest("hex");

/** A web server: `headers` answer the question, BYTES are at /files/image. */
function server(headers: Readonly<Record<string, string>>) {
  const asked: [string, string, Readonly<Record<string, string>>][] = [];
  const http: RemoteHttp = {
    request(url: string, { method = "GET", headers: sent = {} }: RemoteRequest = {}) {
      asked.push([method, url, sent]);
      async function* body() {
        yield await Promise.resolve(BYTES.slice());
      }
      const reply: Pick<TransportReply, "status" | "headers" | "body" | "cancel"> = {
        status: 200,
        headers: method === "HEAD" ? headers : {},
        body: body(),
        cancel: () => {},
      };
      return Promise.resolve(reply as TransportReply);
    },
    client() {
      throw new Error("not asked for");
    },
  };
  return { asked, http };
}

const SOURCE = parseSource({ type: "url", url: "https://example/image" });
const OPTIONS = {
  architecture: "x86_64",
  isFresh: false,
  signal: new AbortController().signal,
  progress: () => {},
};

Deno.test("directServer() fetches what the headers of the URL name, and checks it", async () => {
  const { asked, http } = server({
    "lxd-image-hash": HASH.toUpperCase(),
    "lxd-image-url": "/files/image.tar.xz",
  });
  const folder = await Deno.makeTempDir();

  const image = await directServer(http).find(SOURCE, OPTIONS);
  const received = await image.download(hostPath(folder), OPTIONS);

  assert.deepEqual([image.fingerprint, image.filename], [HASH, "image.tar.xz"]);
  assert.deepEqual(await Deno.readFile(received.meta), BYTES);
  assert.deepEqual(asked.map(([method, url]) => `${method} ${url}`), [
    "HEAD https://example/image",
    "GET https://example/files/image.tar.xz",
  ]);
  assert.equal(asked[0]?.[2]["LXD-Server-Architectures"], "x86_64");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("directServer() refuses an URL that says nothing of an image", async () => {
  for (const hash of ["", "x", HASH]) {
    const headers: Record<string, string> = { "lxd-image-hash": hash };
    await assert.rejects(directServer(server(headers).http).find(SOURCE, OPTIONS), Fault);
  }
});

Deno.test("parseSource() wants to know where and what", () => {
  for (
    const body of [
      { type: "url" },
      { type: "image", server: "https://a" },
      { type: "image", alias: "a", server: "https://a", protocol: "ftp" },
      { type: "image", alias: "a", server: "https://a", image_type: "virtual-machine" },
    ]
  ) {
    assert.throws(() => parseSource(body), Fault);
  }
  assert.equal(parseSource({ type: "image", alias: "a", server: "https://a" }).protocol, "lxd");
});
