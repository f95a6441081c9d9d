/** Which compression a file has (by its first bytes, never by its name), and how to undo it. */
import type { HostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";

export type Compression = "none" | "gzip" | "xz" | "bzip2" | "zstd" | "lzma" | "squashfs";

/** File name ending of an image with that compression, as LXD names exports. */
export const EXTENSION: Readonly<Record<Compression, string>> = {
  none: ".tar",
  gzip: ".tar.gz",
  xz: ".tar.xz",
  bzip2: ".tar.bz2",
  zstd: ".tar.zst",
  lzma: ".tar.lzma",
  squashfs: ".squashfs",
};

const MAGIC: readonly (readonly [Compression, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["squashfs", [0x68, 0x73, 0x71, 0x73]],
  ["lzma", [0x5d, 0x00, 0x00]],
];

/** @returns undefined if the bytes are neither a known compression nor a tar header. */
function detectCompression(head: Uint8Array): Compression | undefined {
  for (const [name, magic] of MAGIC) {
    if (magic.every((byte, index) => head[index] === byte)) return name;
  }
  const ustar = new TextDecoder().decode(head.subarray(257, 262));
  return ustar === "ustar" ? "none" : undefined;
}

/** @throws {Fault} bad_request if the file is no archive that images can be made of. */
export async function compressionOf(path: HostPath): Promise<Compression> {
  using file = await Deno.open(path);
  const head = new Uint8Array(512);
  await file.read(head);
  const found = detectCompression(head);
  if (found !== undefined) return found;
  throw new Fault("bad_request", "invalid image: unsupported compression", {
    hint: "Images are tar archives (plain, gzip, xz, bzip2, zstd, lzma) or squashfs.",
  });
}

const TOOLS: Partial<Record<Compression, readonly string[]>> = {
  xz: ["xz", "-dc", "-T0"],
  lzma: ["xz", "--format=lzma", "-dc"],
  bzip2: ["bzip2", "-dc"],
};

/**
 * The bytes of the tar archive inside `path`. Leaving the loop early ends the tool.
 *
 * @throws {ExecError} if the data is corrupt.
 */
export async function* decompress(path: HostPath): AsyncGenerator<Uint8Array> {
  const compression = await compressionOf(path);
  const tool = TOOLS[compression];
  if (tool !== undefined) return yield* throughTool([...tool], path);
  const raw = createReadStream(path, { highWaterMark: 1 << 20 });
  const options = { chunkSize: 1 << 20 };
  const stream = compression === "gzip"
    ? raw.pipe(createGunzip(options))
    : compression === "zstd"
    ? raw.pipe(createZstdDecompress(options))
    : raw;
  raw.on("error", (error) => stream.destroy(error));
  try {
    for await (const chunk of stream as Readable) yield chunk as Uint8Array;
  } catch (error) {
    throw new Fault("bad_request", "invalid image: the compressed data is corrupt", {
      cause: error,
    });
  } finally {
    raw.destroy();
    stream.destroy();
  }
}

async function* throughTool(argv: string[], path: HostPath): AsyncGenerator<Uint8Array> {
  const [program = "", ...args] = argv;
  const command = new Deno.Command(program, {
    args: [...args, "--", path],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { LC_ALL: "C" },
  });
  const child = command.spawn();
  const stderr = new Response(child.stderr).text();
  let isDone = false;
  try {
    for await (const chunk of child.stdout) yield chunk;
    isDone = true;
  } finally {
    if (!isDone) {
      try {
        child.kill("SIGKILL");
      } catch {
        // Ignored: it has ended by itself meanwhile.
      }
    }
  }
  const [status, text] = await Promise.all([child.status, stderr]);
  if (status.success) return;
  throw new Fault("bad_request", "invalid image: the compressed data is corrupt", {
    cause: new ExecError(argv, status.code, text.slice(-500)),
  });
}
