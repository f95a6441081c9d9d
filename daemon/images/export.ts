/** Send the files of an image to a client, byte for byte as they came in. */
import { type HostPath } from "#base/brand.ts";
import { createReadStream } from "node:fs";
import type { ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { compressionOf, EXTENSION } from "./compression.ts";
import type { ImageFiles } from "./service.ts";

/** One file as it is; a split image as multipart with the parts metadata and rootfs. */
export async function sendImage(files: ImageFiles, response: ServerResponse): Promise<void> {
  const metaName = `${files.fingerprint}${EXTENSION[await compressionOf(files.meta)]}`;
  if (files.rootfs === undefined) {
    const { size } = await Deno.stat(files.meta);
    response.setHeader("Content-Type", "application/octet-stream");
    response.setHeader("Content-Length", size);
    response.setHeader("Content-Disposition", `inline;filename=${metaName}`);
    return await send(response, [files.meta], () => "");
  }
  const rootfsName = `${files.fingerprint}${EXTENSION[await compressionOf(files.rootfs)]}`;
  const boundary = crypto.randomUUID().replaceAll("-", "");
  const parts = [
    { name: "metadata", filename: `meta-${metaName}`, path: files.meta },
    { name: "rootfs", filename: rootfsName, path: files.rootfs },
  ];
  const heads = parts.map(({ name, filename }, index) =>
    `${index === 0 ? "" : "\r\n"}--${boundary}\r\nContent-Disposition: form-data; ` +
    `name="${name}"; filename="${filename}"\r\nContent-Type: application/octet-stream\r\n\r\n`
  );
  const tail = `\r\n--${boundary}--\r\n`;
  const sizes = await Promise.all(parts.map(({ path }) => Deno.stat(path)));
  const length = sizes.reduce((sum, { size }) => sum + size, 0) +
    [...heads, tail].reduce((sum, text) => sum + text.length, 0);
  response.setHeader("Content-Type", `multipart/form-data; boundary=${boundary}`);
  response.setHeader("Content-Length", length);
  await send(response, parts.map(({ path }) => path), (index) => heads[index] ?? tail);
}

async function send(
  response: ServerResponse,
  paths: readonly HostPath[],
  textBefore: (index: number) => string,
): Promise<void> {
  try {
    for (const [index, path] of paths.entries()) {
      const before = textBefore(index);
      if (before !== "") response.write(before);
      await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), response, { end: false });
    }
    response.end(textBefore(paths.length));
  } catch {
    response.destroy(); // Ignored: the client went away, or got all it wanted.
  }
}
