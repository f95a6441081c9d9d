/** The files of an image as they go to clients and other servers, byte for byte as they came in. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { sendBytes } from "#daemon/host/send_bytes.ts";
import { createReadStream } from "node:fs";
import type { ServerResponse } from "node:http";
import { compressionOf, EXTENSION } from "./compression.ts";
import type { ImageFiles } from "./service.ts";

/** One file as it is; a split image as multipart with the parts metadata and rootfs. */
export interface WireForm {
  readonly contentType: string;
  readonly length: number;
  /** Of a unified image. */
  readonly filename: string | undefined;
  readonly pieces: readonly (string | HostPath)[];
}

/** In `pieces` a text stands at even places, a file at odd ones. */
export async function wireForm(files: ImageFiles): Promise<WireForm> {
  const metaName = `${files.fingerprint}${EXTENSION[await compressionOf(files.meta)]}`;
  if (files.rootfs === undefined) {
    const { size } = await Deno.stat(files.meta);
    return {
      contentType: "application/octet-stream",
      length: size,
      filename: metaName,
      pieces: ["", files.meta, ""],
    };
  }
  const rootfsName = `${files.fingerprint}${EXTENSION[await compressionOf(files.rootfs)]}`;
  const boundary = crypto.randomUUID().replaceAll("-", "");
  const head = (name: string, filename: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\n` +
    "Content-Type: application/octet-stream\r\n\r\n";
  const texts = [
    head("metadata", `meta-${metaName}`),
    `\r\n${head("rootfs", rootfsName)}`,
    `\r\n--${boundary}--\r\n`,
  ] as const;
  const sizes = await Promise.all([files.meta, files.rootfs].map((path) => Deno.stat(path)));
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    length: sizes.reduce((sum, { size }) => sum + size, 0) + texts.join("").length,
    filename: undefined,
    pieces: [texts[0], files.meta, texts[1], files.rootfs, texts[2]],
  };
}

const CHUNK_BYTES = 1 << 20;

/** One file as it is, two as multipart. @throws {Fault} before the headers are sent; later it hangs up. */
export async function sendImage(files: ImageFiles, response: ServerResponse): Promise<void> {
  const { contentType, length, filename, pieces } = await wireForm(files);
  response.setHeader("Content-Type", contentType);
  response.setHeader("Content-Length", length);
  if (filename !== undefined) {
    response.setHeader("Content-Disposition", `inline;filename=${filename}`);
  }
  try {
    const tail = pieces.at(-1) ?? "";
    for (const [index, piece] of pieces.slice(0, -1).entries()) {
      const isText = index % 2 === 0;
      const isLast = index === pieces.length - 2 && tail === "";
      if (isText && piece !== "") response.write(piece);
      if (!isText) await sendBytes(response, hostPath(piece), { isLast });
    }
    if (tail !== "") response.end(tail);
  } catch {
    response.destroy(); // Ignored: the client went away, or got all it wanted.
  }
}

/** All its bytes, for a request to another server. */
export async function* wireBytes({ pieces }: WireForm): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for (const [index, piece] of pieces.entries()) {
    if (index % 2 === 0) yield encoder.encode(piece);
    else yield* createReadStream(piece, { highWaterMark: CHUNK_BYTES });
  }
}
