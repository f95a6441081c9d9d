/**
 * Images of simplestreams servers. What a server offers is kept for an hour, and used when it is
 * down. Mirrors that the administrator names stand for the server in everything; mirrors that the
 * server itself names have its files alone, whose sums it says.
 */
import { withoutLogin } from "#api/login.ts";
import { resumed } from "#api/resume.ts";
import {
  findStreamImage,
  imagesOf,
  INDEX_PATH,
  mirrorPaths,
  mirrorsOf,
  productPaths,
  streamArchitecture,
  type StreamFile,
  type StreamImage,
} from "#api/simplestreams.ts";
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault, messageOf } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { ifThere } from "#daemon/host/files.ts";
import { createHash } from "node:crypto";
import { fetchFile } from "./file.ts";
import type { RemoteHttp } from "./http.ts";
import type { DownloadOptions, RemoteImage, RemoteServer } from "./source.ts";

const VM_HINT = "This server runs system containers.";

export interface StreamDeps {
  /** Directory for what servers said. */
  readonly cache: HostPath;
  /** Of each server, as the administrator names them. */
  readonly mirrors: () => Promise<ReadonlyMap<string, readonly string[]>>;
}

type Bases = readonly [string, ...string[]];

/** `find` throws not_found; bad_request if there is only an image for virtual machines. */
export function streamServer(http: RemoteHttp, { cache, mirrors }: StreamDeps): RemoteServer {
  return {
    async find({ server, alias, fingerprint }, { architecture, isFresh, signal }) {
      const base = server.replace(/\/$/, "");
      const bases: Bases = [base, ...(await mirrors()).get(base) ?? []];
      const { images, named } = await offers(http, { bases, cache, isFresh, signal });
      const name = fingerprint || alias;
      const wish = { name, architecture: streamArchitecture(architecture) };
      const image = findStreamImage(images, { ...wish, type: "container" });
      if (image !== undefined) return toRemoteImage(http, [...bases, ...named], image);
      if (findStreamImage(images, { ...wish, type: "virtual-machine" }) !== undefined) {
        throw new Fault("bad_request", `the image "${name}" is only there for virtual machines`, {
          hint: VM_HINT,
        });
      }
      throw new Fault(
        "not_found",
        `The requested image "${name}" couldn't be found on ${new URL(base).host}`,
        { hint: `See what it has: lxc image list REMOTE: ${name.split("/")[0] ?? ""}` },
      );
    },
  };
}

function toRemoteImage(http: RemoteHttp, bases: Bases, image: StreamImage): RemoteImage {
  const { fingerprint, meta, rootfs } = image;
  const expires = new Date(image.expiresAt || 0);
  const fetchPart = (file: StreamFile, path: HostPath, part: string, options: DownloadOptions) => ({
    urls: urlsOf(bases, file.path),
    path,
    sha256: file.sha256,
    size: file.size,
    signal: options.signal,
    progress: (bytes: number, total: number) => options.progress(part, bytes, total),
  });
  return {
    fingerprint,
    properties: image.properties,
    filename: image.filename,
    size: image.size,
    expiresAt: expires.getTime() > Date.now() ? expires : undefined,
    aliases: image.names,
    async download(directory, options) {
      const metaPath = hostPath(`${directory}/meta`);
      const rootfsPath = hostPath(`${directory}/rootfs`);
      const wish = fetchPart(meta, metaPath, rootfs ? "metadata" : "rootfs", options);
      const first = await fetchFile(http, wish, createHash("sha256"));
      const second = rootfs === undefined
        ? { size: 0, hash: first.hash }
        : await fetchFile(http, fetchPart(rootfs, rootfsPath, "rootfs", options), first.hash);
      const sum = second.hash.digest("hex");
      if (sum !== fingerprint) {
        throw new Fault(
          "unavailable",
          `Image fingerprint doesn't match: got ${sum}, expected ${fingerprint}`,
        );
      }
      return {
        fingerprint,
        meta: metaPath,
        rootfs: rootfs === undefined ? undefined : rootfsPath,
        size: first.size + second.size,
        filename: image.filename,
      };
    },
  };
}

/** Where a path lies, on the server and its mirrors. */
const urlsOf = ([base, ...mirrors]: Bases, path: string): Bases => [
  `${base}/${path}`,
  ...mirrors.map((mirror) => `${mirror}/${path}`),
];

interface Place {
  readonly bases: Bases;
  readonly cache: HostPath;
  readonly isFresh: boolean;
  readonly signal: AbortSignal;
}

interface Offers {
  readonly images: readonly StreamImage[];
  /** Mirrors that the server names. */
  readonly named: readonly string[];
}

async function offers(http: RemoteHttp, place: Place): Promise<Offers> {
  try {
    const index = await cachedJson(http, place, INDEX_PATH);
    const images: StreamImage[] = [];
    for (const path of productPaths(index)) {
      images.push(...imagesOf(await cachedJson(http, place, path)));
    }
    const named: string[] = [];
    for (const path of mirrorPaths(index)) named.push(...await namedMirrors(http, place, path));
    return { images, named };
  } catch (error) {
    place.signal.throwIfAborted();
    if (error instanceof Fault) throw error;
    const [base] = place.bases;
    throw new Fault(
      "unavailable",
      `cannot read what ${withoutLogin(base)} offers: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

async function namedMirrors(http: RemoteHttp, place: Place, path: string): Promise<string[]> {
  try {
    return mirrorsOf(await cachedJson(http, place, path));
  } catch {
    place.signal.throwIfAborted();
    return []; // Ignored: the server may do without them.
  }
}

/** From the cache while it is fresh; also when it is old, if the server can't be asked. */
async function cachedJson(http: RemoteHttp, place: Place, path: string): Promise<unknown> {
  const urls = urlsOf(place.bases, path);
  const [url] = urls;
  const file = `${place.cache}/${createHash("sha256").update(url).digest("hex")}`;
  const kept = await Deno.stat(file).catch(ifThere);
  const ageMs = Date.now() - (kept?.mtime?.getTime() ?? 0);
  if (!place.isFresh && kept !== undefined && ageMs < LIMITS.streamsCacheMs) {
    const value = await readJson(file);
    if (value !== undefined) return value;
  }
  try {
    const { text, value } = await fetchJson(http, urls, place.signal);
    await Deno.mkdir(place.cache, { recursive: true, mode: 0o700 });
    // A name of its own: several may fetch the same at once.
    const fresh = `${file}.${crypto.randomUUID()}.new`;
    await Deno.writeTextFile(fresh, text);
    await Deno.rename(fresh, file);
    return value;
  } catch (error) {
    place.signal.throwIfAborted();
    const old = await readJson(file);
    if (old !== undefined) return old;
    throw error;
  }
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await Deno.readTextFile(file));
  } catch {
    return undefined; // Ignored: not there, or half written: then the server is asked.
  }
}

/** From the first of them that has it. @throws {Fault} unavailable, not_found; SyntaxError */
async function fetchJson(
  http: RemoteHttp,
  urls: Bases,
  signal: AbortSignal,
): Promise<{ text: string; value: unknown }> {
  const { text, from } = await fetchText(http, urls, signal);
  try {
    return { text, value: JSON.parse(text) };
  } catch (error) {
    const [next, ...others] = urls.filter((url) => !from.has(url));
    if (next === undefined) throw error;
    return await fetchJson(http, [next, ...others], signal);
  }
}

/** @returns also which of them sent it. */
async function fetchText(
  http: RemoteHttp,
  urls: Bases,
  signal: AbortSignal,
): Promise<{ text: string; from: ReadonlySet<string> }> {
  const pieces: Uint8Array[] = [];
  const from = new Set<string>();
  let size = 0;
  const parts = resumed(urls, {
    get: http.request.bind(http),
    signal: AbortSignal.any([signal, AbortSignal.timeout(LIMITS.downloadStallMs)]),
    tries: LIMITS.streamsTries,
  });
  for await (const { piece, url } of parts) {
    from.add(url);
    size += piece.length;
    if (size > LIMITS.streamsBytes) {
      throw new Fault("unavailable", `cannot read "${withoutLogin(url)}": it is too large`);
    }
    pieces.push(piece.slice());
  }
  return { text: Buffer.concat(pieces).toString("utf8"), from };
}
