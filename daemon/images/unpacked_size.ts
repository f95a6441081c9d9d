/**
 * How large an archive is when it is unpacked, without unpacking it: for the question whether it fits.
 * Never more than it is; where the format doesn't say, what is certain.
 */
import type { HostPath } from "#base/brand.ts";
import { run } from "#daemon/host/run.ts";
import { type Compression, compressionOf } from "./compression.ts";

/** Compressors leave this share of a tree of files, at best. */
const COMPRESSED_SHARE = 1 / 5;

/** What an archive of a tree takes at least. @param compression "none", "gzip -9" ... Pure. */
export function packedBytes(treeBytes: number, compression: string): number {
  return compression === "none" ? treeBytes : Math.floor(treeBytes * COMPRESSED_SHARE);
}

/** What is known of a file: its size, its first and last bytes. */
interface Ends {
  readonly size: number;
  readonly head: DataView;
  readonly tail: DataView;
}

/** @throws {Fault} bad_request if the file is no archive. */
export async function unpackedBytes(path: HostPath): Promise<number> {
  const compression = await compressionOf(path);
  if (compression === "xz") return await xzBytes(path);
  if (compression === "squashfs") return await squashfsBytes(path);
  return Math.max(...sizesOf(compression, await endsOf(path)));
}

const HEAD_BYTES = 18;
const TAIL_BYTES = 4;
const GIB4 = 2 ** 32;

async function endsOf(path: HostPath): Promise<Ends> {
  using file = await Deno.open(path);
  const { size } = await file.stat();
  const [head, tail] = [new Uint8Array(HEAD_BYTES), new Uint8Array(TAIL_BYTES)];
  await file.read(head);
  await file.seek(Math.max(0, size - TAIL_BYTES), Deno.SeekMode.Start);
  await file.read(tail);
  return { size, head: new DataView(head.buffer), tail: new DataView(tail.buffer) };
}

/** Lower bounds of what comes out. Pure. */
function sizesOf(compression: Compression, { size, head, tail }: Ends): number[] {
  switch (compression) {
    case "gzip":
      return [size, gzipBytes(size, tail.getUint32(0, true))];
    case "zstd":
      return [size, zstdBytes(head)];
    case "lzma": {
      const said = head.getBigUint64(5, true);
      return [size, said === 0xffff_ffff_ffff_ffffn ? 0 : Number(said)];
    }
    default:
      return [size];
  }
}

/** The trailer has the size modulo 4 GiB; what is compressed is not larger than what it was. */
function gzipBytes(size: number, said: number): number {
  return said >= size ? said : said + Math.floor(size / GIB4) * GIB4;
}

/** Size of the content in the header of the first frame, if it says it. @see RFC 8878, 3.1.1.1 */
function zstdBytes(head: DataView): number {
  const descriptor = head.getUint8(4);
  const isSingle = (descriptor & 0x20) !== 0;
  const at = 5 + (isSingle ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  switch (descriptor >> 6) {
    case 0:
      return isSingle ? head.getUint8(at) : 0;
    case 1:
      return head.getUint16(at, true) + 256;
    case 2:
      return head.getUint32(at, true);
    default:
      return Number(head.getBigUint64(at, true));
  }
}

/** The index at its end says it. @see xz(1), "ROBOT MODE" */
async function xzBytes(path: HostPath): Promise<number> {
  const { size } = await Deno.stat(path);
  const text = await run(["xz", "--robot", "--list", "--", path])
    .catch(() => ""); // Ignored: what is broken shows when it is unpacked.
  const totals = text.split("\n").find((line) => line.startsWith("totals\t"));
  return Number(totals?.split("\t")[4]) || size;
}

/** By its own list, which does not tell links: files of one size and time count once. */
async function squashfsBytes(path: HostPath): Promise<number> {
  const child = new Deno.Command("unsquashfs", {
    args: ["-lln", path],
    env: { LC_ALL: "C" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const seen = new Set<string>();
  let bytes = 0;
  let held = "";
  for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (held + piece).split("\n");
    held = lines.pop() ?? "";
    for (const line of lines) {
      const [, what = "", size = ""] = /^-\S+ +\S+ +((\d+) \S+ \S+) /.exec(line) ?? [];
      if (seen.has(what)) continue;
      seen.add(what);
      bytes += Number(size);
    }
  }
  await child.status;
  return Math.max(bytes, (await Deno.stat(path)).size);
}
