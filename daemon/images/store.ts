/** Image files as they come in: written to a temporary file while their hash is taken. */
import { BadMultipart, dispositionOf, partsOf } from "#api/multipart.ts";
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { writeStream } from "#daemon/host/write_stream.ts";
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { compressionOf, decompress } from "./compression.ts";
import { type ImageMetadata, parseMetadata } from "./metadata.ts";
import { TarFilter } from "./tar_filter.ts";

export interface ReceivedImage {
  readonly fingerprint: string;
  readonly meta: HostPath;
  readonly rootfs: HostPath | undefined;
  readonly size: number;
  /** Name of the (first) file as the client gave it. */
  readonly filename: string;
}

/** An image on its way in: the body of an upload, or of another server's reply. */
export interface IncomingImage {
  readonly contentType: string;
  readonly filename: string;
  readonly body: Readable;
}

/** Receive it into `directory`: one file, or multipart with metadata and rootfs. */
export async function receiveImage(
  { contentType, filename, body }: IncomingImage,
  directory: HostPath,
): Promise<ReceivedImage> {
  const hash = createHash("sha256");
  if (!contentType.startsWith("multipart/")) {
    const meta = hostPath(`${directory}/meta`);
    const size = await writeHashed(body, meta, hash);
    return { fingerprint: hash.digest("hex"), meta, rootfs: undefined, size, filename };
  }
  return await receiveParts({ contentType, body }, directory, hash);
}

async function receiveParts(
  { contentType, body }: Omit<IncomingImage, "filename">,
  directory: HostPath,
  hash: Hash,
): Promise<ReceivedImage> {
  const boundary = /;\s*boundary="?([^";]+)"?/i.exec(contentType)?.[1];
  if (boundary === undefined) {
    throw new Fault("bad_request", "Invalid multipart image: its type names no boundary");
  }
  const written: { path: HostPath; size: number; filename: string }[] = [];
  try {
    for await (const part of partsOf(body, boundary)) {
      const name = dispositionOf(part, "name");
      if (name === "rootfs.img") throw virtualMachine();
      const expected = ["metadata", "rootfs"][written.length];
      if (name !== expected) {
        throw new Fault(
          "bad_request",
          `Invalid multipart image: "${name}" where "${expected ?? "the end"}" was expected`,
        );
      }
      const path = hostPath(`${directory}/${name === "metadata" ? "meta" : "rootfs"}`);
      const size = await writeHashed(part.pieces, path, hash);
      written.push({ path, size, filename: dispositionOf(part, "filename") });
    }
  } catch (error) {
    if (!(error instanceof BadMultipart)) throw error;
    throw new Fault("bad_request", `Invalid multipart image: ${error.message}`, { cause: error });
  }
  const [meta, rootfs] = written;
  if (meta === undefined || rootfs === undefined) {
    throw new Fault(
      "bad_request",
      "Invalid multipart image: it needs the parts metadata and rootfs",
    );
  }
  return {
    fingerprint: hash.digest("hex"),
    meta: meta.path,
    rootfs: rootfs.path,
    size: meta.size + rootfs.size,
    filename: meta.filename,
  };
}

/** @returns bytes written. */
async function writeHashed(
  source: AsyncIterable<Uint8Array>,
  path: HostPath,
  hash: Hash,
): Promise<number> {
  return await writeStream(source, path, (piece) => void hash.update(piece));
}

/** Fingerprint of files on disk: of the one, or of metadata and rootfs after each other. */
export async function hashFiles(
  paths: readonly HostPath[],
): Promise<{ hash: string; size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  for (const path of paths) {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      hash.update(chunk as Uint8Array);
      size += (chunk as Uint8Array).length;
    }
  }
  return { hash: hash.digest("hex"), size };
}

/**
 * metadata.yaml of an image file, found without unpacking the rest.
 *
 * @throws {Fault} bad_request if there is none.
 */
export async function readImageMetadata(path: HostPath): Promise<ImageMetadata> {
  const text = await compressionOf(path) === "squashfs"
    ? await squashfsMetadata(path)
    : await tarMetadata(path);
  if (text === undefined) {
    throw new Fault("bad_request", "invalid image: it has no metadata.yaml", {
      hint: "The first file of a split image is the one with the metadata.",
    });
  }
  return parseMetadata(text);
}

async function tarMetadata(path: HostPath): Promise<string | undefined> {
  let found: string | undefined;
  const filter = new TarFilter({
    bytesMax: Number.MAX_SAFE_INTEGER,
    onEntry: (entry) => entry.name === "metadata.yaml" && entry.size <= LIMITS.imageMetadataBytes,
    onBody: (_entry, data) => found = new TextDecoder().decode(data),
  });
  for await (const piece of decompress(path)) {
    filter.push(piece);
    if (found !== undefined) return found;
  }
  filter.end();
  return found;
}

async function squashfsMetadata(path: HostPath): Promise<string | undefined> {
  const { success, stdout } = await new Deno.Command("unsquashfs", {
    args: ["-cat", path, "metadata.yaml"],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).output();
  return success && stdout.length <= LIMITS.imageMetadataBytes
    ? new TextDecoder().decode(stdout)
    : undefined;
}

function virtualMachine(): Fault {
  return new Fault("bad_request", "virtual machine images are not supported", {
    hint: "This server runs system containers.",
  });
}
