/** Images of simplestreams servers. What a server offers is kept for an hour, and used when it is down. */
import {
  findStreamImage,
  imagesOf,
  INDEX_PATH,
  productPaths,
  streamArchitecture,
  type StreamFile,
  type StreamImage,
} from "#api/simplestreams.ts";
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault, messageOf } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { createHash } from "node:crypto";
import { fetchFile } from "./file.ts";
import type { RemoteHttp } from "./http.ts";
import type { DownloadOptions, RemoteImage, RemoteServer } from "./source.ts";

const VM_HINT = "This server runs system containers.";

/** @param cache Directory for what servers said. */
export function streamServer(http: RemoteHttp, cache: HostPath): RemoteServer {
  return {
    async find({ server, alias, fingerprint }, { architecture, isFresh, signal }) {
      const base = server.replace(/\/$/, "");
      const images = await offers(http, { base, cache, isFresh, signal });
      const name = fingerprint || alias;
      const wish = { name, architecture: streamArchitecture(architecture) };
      const image = findStreamImage(images, { ...wish, type: "container" });
      if (image !== undefined) return toRemoteImage(http, base, image);
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

function toRemoteImage(http: RemoteHttp, base: string, image: StreamImage): RemoteImage {
  const { fingerprint, meta, rootfs } = image;
  const expires = new Date(image.expiresAt || 0);
  const fetchPart = (file: StreamFile, path: HostPath, part: string, options: DownloadOptions) => ({
    url: `${base}/${file.path}`,
    path,
    sha256: file.sha256,
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

interface Place {
  readonly base: string;
  readonly cache: HostPath;
  readonly isFresh: boolean;
  readonly signal: AbortSignal;
}

async function offers(http: RemoteHttp, place: Place): Promise<StreamImage[]> {
  try {
    const index = await cachedJson(http, place, INDEX_PATH);
    const images: StreamImage[] = [];
    for (const path of productPaths(index)) {
      images.push(...imagesOf(await cachedJson(http, place, path)));
    }
    return images;
  } catch (error) {
    place.signal.throwIfAborted();
    if (error instanceof Fault) throw error;
    throw new Fault("unavailable", `cannot read what ${place.base} offers: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** From the cache while it is fresh; also when it is old, if the server can't be asked. */
async function cachedJson(http: RemoteHttp, place: Place, path: string): Promise<unknown> {
  const url = `${place.base}/${path}`;
  const file = `${place.cache}/${createHash("sha256").update(url).digest("hex")}`;
  const kept = await Deno.stat(file).catch(() => undefined);
  const ageMs = Date.now() - (kept?.mtime?.getTime() ?? 0);
  if (!place.isFresh && kept !== undefined && ageMs < LIMITS.streamsCacheMs) {
    const value = await readJson(file);
    if (value !== undefined) return value;
  }
  try {
    const text = await fetchText(http, url, place.signal);
    const value: unknown = JSON.parse(text);
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

async function fetchText(http: RemoteHttp, url: string, signal: AbortSignal): Promise<string> {
  const reply = await http.request(url, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(LIMITS.downloadStallMs)]),
  });
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of reply.body) {
    size += piece.length;
    if (size > LIMITS.streamsBytes) {
      throw new Fault("unavailable", `cannot read "${url}": it is too large`);
    }
    pieces.push(piece.slice());
  }
  return Buffer.concat(pieces).toString("utf8");
}
