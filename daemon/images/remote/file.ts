/** One file of an image server: resumed where it broke off, verified while it comes. */
import type { HostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { createHash, type Hash } from "node:crypto";
import { type RemoteHttp, unreachable } from "./http.ts";

export interface FileWish {
  readonly url: string;
  readonly path: HostPath;
  /** Lower-case hex; "": unknown. */
  readonly sha256: string;
  readonly signal: AbortSignal;
  /** Bytes so far, of bytes in all (0: unknown). */
  readonly progress: (bytes: number, total: number) => void;
}

export interface FetchedFile {
  readonly size: number;
  /** The hash that was given, with the bytes of this file behind. */
  readonly hash: Hash;
}

/** How far it got; a broken transfer goes on from here. */
interface Progress {
  size: number;
  own: Hash;
  whole: Hash;
}

/**
 * Fetch it.
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
  const state: Progress = { size: 0, own: createHash("sha256"), whole: before.copy() };
  for (let failures = 0;;) {
    const had = state.size;
    try {
      await fetchRest(http, wish, { file, state, before });
      break;
    } catch (error) {
      wish.signal.throwIfAborted();
      if (error instanceof Fault && error.kind !== "unavailable") throw error;
      // A transfer that gets on may break off as often as it likes.
      failures = state.size > had ? 1 : failures + 1;
      if (failures >= LIMITS.downloadTries) throw unreachable(wish.url, error);
    }
  }
  const sum = state.own.digest("hex");
  if (wish.sha256 !== "" && sum !== wish.sha256) {
    throw new Fault(
      "unavailable",
      `cannot trust "${wish.url}": its checksum is ${sum}, expected ${wish.sha256}`,
    );
  }
  return { size: state.size, hash: state.whole };
}

async function fetchRest(
  http: RemoteHttp,
  wish: FileWish,
  { file, state, before }: { file: Deno.FsFile; state: Progress; before: Hash },
): Promise<void> {
  const stalled = new AbortController();
  const signal = AbortSignal.any([wish.signal, stalled.signal]);
  const headers: Record<string, string> = state.size === 0 ? {} : { Range: `bytes=${state.size}-` };
  const reply = await http.request(wish.url, { headers, signal });
  if (reply.status !== 206 && state.size > 0) {
    // The server starts anew.
    Object.assign(state, { size: 0, own: createHash("sha256"), whole: before.copy() });
    await file.seek(0, Deno.SeekMode.Start);
    await file.truncate();
  }
  const total = state.size + (Number(reply.headers["content-length"] ?? 0) || 0);
  let timer = setTimeout(() => stalled.abort(), LIMITS.downloadStallMs);
  try {
    for await (const piece of reply.body) {
      clearTimeout(timer);
      timer = setTimeout(() => stalled.abort(), LIMITS.downloadStallMs);
      state.own.update(piece);
      state.whole.update(piece);
      state.size += piece.length;
      await writeAll(file, piece);
      wish.progress(state.size, total);
    }
  } finally {
    clearTimeout(timer);
  }
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  let rest = bytes;
  while (rest.length > 0) rest = rest.subarray(await file.write(rest));
}
