import type { TransportReply } from "#api/transport.ts";
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fetchFile } from "./file.ts";
import type { RemoteHttp, RemoteRequest } from "./http.ts";

const BYTES = new TextEncoder().encode("0123456789".repeat(100));
const SUM = createHash("sha256").update(BYTES).digest("hex");

interface Script {
  /** After how many bytes of each reply the connection breaks. */
  readonly cuts: readonly number[];
  readonly resumes: boolean;
}

/** A server of BYTES whose connections break; `ranges` is what it was asked for. */
function server({ cuts, resumes }: Script): RemoteHttp & { readonly ranges: string[] } {
  const ranges: string[] = [];
  return {
    ranges,
    request(_url: string, { headers = {} }: RemoteRequest = {}) {
      const asked = headers["Range"] ?? "";
      const cut = cuts[ranges.length];
      ranges.push(asked);
      const start = resumes ? Number(/\d+/.exec(asked)?.[0] ?? 0) : 0;
      const rest = BYTES.subarray(start);
      async function* body() {
        await Promise.resolve();
        yield rest.slice(0, cut ?? rest.length);
        if (cut !== undefined) throw new Error("connection reset");
      }
      const reply: Pick<TransportReply, "status" | "headers" | "body"> = {
        status: start > 0 ? 206 : 200,
        headers: { "content-length": String(rest.length) },
        body: body(),
      };
      return Promise.resolve(reply as TransportReply);
    },
    client() {
      throw new Error("not asked for");
    },
  };
}

async function fetch(http: RemoteHttp, sha256 = SUM) {
  const folder = await Deno.makeTempDir();
  const path: HostPath = hostPath(`${folder}/file`);
  try {
    const progress: number[] = [];
    const { size, hash } = await fetchFile(http, {
      url: "https://server/file",
      path,
      sha256,
      signal: new AbortController().signal,
      progress: (bytes) => progress.push(bytes),
    }, createHash("sha256").update("before"));
    return { size, whole: hash.digest("hex"), bytes: await Deno.readFile(path), progress };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const WHOLE = createHash("sha256").update("before").update(BYTES).digest("hex");

Deno.test("fetchFile() goes on where the connection broke off, as often as it gets on", async () => {
  const http = server({ cuts: [300, 1, 1, 1, 1, 400], resumes: true });

  const { size, whole, bytes, progress } = await fetch(http);

  assert.deepEqual(bytes, BYTES);
  assert.deepEqual([size, whole], [1000, WHOLE]);
  assert.equal(progress.at(-1), 1000);
  assert.deepEqual(http.ranges.slice(0, 2), ["", "bytes=300-"]);
});

Deno.test("fetchFile() starts anew at a server that can't resume", async () => {
  const { bytes, whole } = await fetch(server({ cuts: [300], resumes: false }));

  assert.deepEqual(bytes, BYTES);
  assert.equal(whole, WHOLE);
});

Deno.test("fetchFile() gives up on a server that sends nothing", async () => {
  await assert.rejects(
    fetch(server({ cuts: [0, 0, 0, 0], resumes: true })),
    (error) => error instanceof Fault && error.kind === "unavailable",
  );
});

Deno.test("fetchFile() refuses what has another checksum", async () => {
  await assert.rejects(fetch(server({ cuts: [], resumes: true }), "0".repeat(64)), /cannot trust/);
});
