import type { TransportReply } from "#api/transport.ts";
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault, isFaultOf } from "#base/errors.ts";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fetchFile, type FileWish } from "./file.ts";
import type { RemoteHttp, RemoteRequest } from "./http.ts";

const BYTES = new TextEncoder().encode("0123456789".repeat(100));
const SUM = createHash("sha256").update(BYTES).digest("hex");

interface Script {
  /** After how many bytes of each reply the connection breaks. */
  readonly cuts: readonly number[];
  readonly resumes: boolean;
  readonly bytes?: Uint8Array;
}

/** A server of BYTES whose connections break; `ranges` is what it was asked for. */
function server(
  { cuts, resumes, bytes = BYTES }: Script,
): RemoteHttp & { readonly ranges: string[] } {
  const ranges: string[] = [];
  return {
    ranges,
    request(_url: string, { headers = {} }: RemoteRequest = {}) {
      const asked = headers["Range"] ?? "";
      const cut = cuts[ranges.length];
      ranges.push(asked);
      const start = resumes ? Number(/\d+/.exec(asked)?.[0] ?? 0) : 0;
      const rest = bytes.subarray(start);
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

/** Several servers, by the host of the URL. */
function servers(all: Readonly<Record<string, RemoteHttp>>): RemoteHttp {
  return {
    request: (url, options) =>
      all[new URL(url).host]?.request(url, options) ??
        Promise.reject(new Fault("not_found", `no "${url}"`)),
    client() {
      throw new Error("not asked for");
    },
  };
}

const MIRRORS: FileWish["urls"] = ["https://server/file", "https://one/file", "https://two/file"];

async function fetch(http: RemoteHttp, { sha256 = SUM, urls = [MIRRORS[0]], size = 0 }: {
  sha256?: string;
  urls?: FileWish["urls"];
  size?: number;
} = {}) {
  const folder = await Deno.makeTempDir();
  const path: HostPath = hostPath(`${folder}/file`);
  try {
    const progress: number[] = [];
    const fetched = await fetchFile(http, {
      ...{ urls, path, sha256, size },
      signal: new AbortController().signal,
      progress: (bytes) => progress.push(bytes),
    }, createHash("sha256").update("before"));
    const whole = fetched.hash.digest("hex");
    return { size: fetched.size, whole, bytes: await Deno.readFile(path), progress };
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
  await assert.rejects(
    fetch(server({ cuts: [], resumes: true }), { sha256: "0".repeat(64) }),
    /cannot trust/,
  );
});

Deno.test("fetchFile() goes on at the next mirror where the server breaks off, past one that lacks it", async () => {
  const two = server({ cuts: [], resumes: true });
  const http = servers({ server: server({ cuts: [300], resumes: true }), two });

  const { bytes, whole } = await fetch(http, { urls: MIRRORS });

  assert.deepEqual(bytes, BYTES);
  assert.equal(whole, WHOLE);
  assert.deepEqual(two.ranges, ["bytes=300-"]);
});

Deno.test("fetchFile() asks each for the whole where a mirror has another file", async () => {
  const other = new TextEncoder().encode("abcdefghij".repeat(100));
  const one = server({ cuts: [300], resumes: true, bytes: other });
  const two = server({ cuts: [], resumes: true });
  const down = server({ cuts: Array(20).fill(0), resumes: true });

  const { bytes, whole } = await fetch(servers({ server: down, one, two }), { urls: MIRRORS });

  assert.deepEqual(bytes, BYTES);
  assert.equal(whole, WHOLE);
  assert.deepEqual(two.ranges, ["bytes=300-", ""]);
});

Deno.test("fetchFile() stops at one byte more than was promised, and asks the next", async () => {
  const endless = server({ cuts: [], resumes: true, bytes: new Uint8Array(100_000) });
  const http = servers({ server: endless, one: server({ cuts: [], resumes: true }) });

  assert.deepEqual((await fetch(http, { urls: MIRRORS, size: 1000 })).bytes, BYTES);
  await assert.rejects(
    fetch(servers({ server: endless }), { size: 1000 }),
    /larger than 1000 bytes/,
  );
});

Deno.test("fetchFile() says of all servers that one is down, rather than that the other lacks it", async () => {
  const down = server({ cuts: Array(20).fill(0), resumes: true });
  const failure = fetch(servers({ server: down }), { urls: MIRRORS });
  await assert.rejects(failure, (error) => isFaultOf(error, "unavailable"));
  const lacking = fetch(servers({}), { urls: MIRRORS });
  await assert.rejects(lacking, (error) => isFaultOf(error, "not_found"));
});
