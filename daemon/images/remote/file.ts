/** One file of image servers: resumed where it broke off, verified while it comes. */
import { withoutLogin } from "#api/login.ts";
import { resumed } from "#api/resume.ts";
import type { HostPath } from "#base/brand.ts";
import { Fault, isFaultOf } from "#base/errors.ts";
import { createHash, type Hash } from "node:crypto";
import { type RemoteHttp, unreachable } from "./http.ts";

export interface FileWish {
  /** Where it lies: the server, then its mirrors. */
  readonly urls: readonly [string, ...string[]];
  readonly path: HostPath;
  /** Lower-case hex; "": unknown. */
  readonly sha256: string;
  /** Bytes that were promised: one more, and the server is given up. 0: unknown. */
  readonly size: number;
  readonly signal: AbortSignal;
  /** Bytes so far, of bytes in all (0: unknown). */
  readonly progress: (bytes: number, total: number) => void;
}

export interface FetchedFile {
  readonly size: number;
  /** The hash that was given, with the bytes of this file behind. */
  readonly hash: Hash;
}

interface Got extends FetchedFile {
  /** Why it is not the promised file. */
  readonly wrong: Fault | undefined;
  /** The URLs that sent something of it. */
  readonly from: ReadonlySet<string>;
}

/**
 * Fetch it. Where several servers sent parts of a file that then has another checksum, each is asked
 * for the whole: one with another file does not spoil what the others have.
 *
 * @param before Hash of the files before it.
 * @throws {Fault} unavailable if it is not what was promised, or doesn't come in some tries.
 */
export async function fetchFile(
  http: RemoteHttp,
  wish: FileWish,
  before: Hash,
): Promise<FetchedFile> {
  using file = await Deno.open(wish.path, { write: true, create: true, truncate: true });
  let got = await fetchOnce(http, wish, { file, before });
  const { from } = got;
  for (const url of wish.urls.filter((one) => from.size > 1 || !from.has(one))) {
    if (got.wrong === undefined) break;
    await file.seek(0, Deno.SeekMode.Start);
    await file.truncate();
    try {
      got = await fetchOnce(http, { ...wish, urls: [url] }, { file, before });
    } catch (error) {
      if (!isFaultOf(error, "unavailable") && !isFaultOf(error, "not_found")) throw error;
    }
  }
  if (got.wrong !== undefined) throw got.wrong;
  return got;
}

async function fetchOnce(
  http: RemoteHttp,
  wish: FileWish,
  { file, before }: { file: Deno.FsFile; before: Hash },
): Promise<Got> {
  const { urls, sha256, signal } = wish;
  const [own, hash] = [createHash("sha256"), before.copy()];
  const from = new Set<string>();
  let size = 0;
  const wrong = (why: string) =>
    new Fault("unavailable", `cannot trust "${[...from].map(withoutLogin).join('", "')}": ${why}`);
  try {
    const get = http.request.bind(http);
    for await (const { piece, total, url } of resumed(urls, { get, signal })) {
      from.add(url);
      size += piece.length;
      if (wish.size > 0 && size > wish.size) {
        return { size, hash, from, wrong: wrong(`it is larger than ${wish.size} bytes`) };
      }
      own.update(piece);
      hash.update(piece);
      await writeAll(file, piece);
      wish.progress(size, total);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw unreachable(urls[0], error);
  }
  const sum = own.digest("hex");
  const isWrong = sha256 !== "" && sum !== sha256;
  const why = `its checksum is ${sum}, expected ${sha256}`;
  return { size, hash, from, wrong: isWrong ? wrong(why) : undefined };
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  let rest = bytes;
  while (rest.length > 0) rest = rest.subarray(await file.write(rest));
}
