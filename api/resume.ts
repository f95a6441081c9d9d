/** One file that may lie on several servers, as bytes: where one breaks off, the next goes on. */
import { Fault } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { withoutLogin } from "./login.ts";
import type { TransportReply } from "./transport.ts";

export interface Ask {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Counts the tries: a host of several addresses is asked at another one each time. */
  readonly turn: number;
}

export interface ResumeOptions {
  /** @throws {Fault} other than unavailable, where a second try is no use. */
  readonly get: (url: string, ask: Ask) => Promise<TransportReply>;
  readonly signal?: AbortSignal | undefined;
  /** That may fail without a byte between, for each URL. */
  readonly tries?: number;
}

export interface Part {
  /** Valid until the next one is asked for. */
  readonly piece: Uint8Array<ArrayBuffer>;
  /** Bytes of the whole file; 0: unknown. */
  readonly total: number;
  /** Where the piece came from. */
  readonly url: string;
}

/**
 * The bytes of a file that lies at each of `urls`, the preferred one first. Whether they are the
 * right ones is the caller's to find out.
 *
 * @throws what the last server said, once none of them got on.
 */
export async function* resumed(
  urls: readonly string[],
  { get, signal, tries = LIMITS.downloadTries }: ResumeOptions,
): AsyncGenerator<Part> {
  let left = urls.map((url, turn) => ({ url, turn }));
  let [size, failures] = [0, 0];
  let why: unknown;
  for (;;) {
    const [first, ...others] = left;
    if (first === undefined || failures >= tries * left.length) throw why;
    const had = size;
    try {
      for await (const part of rest(first.url, { from: size, turn: first.turn, get, signal })) {
        size += part.piece.length;
        yield part;
      }
      return;
    } catch (error) {
      signal?.throwIfAborted();
      const isFinal = error instanceof Fault && error.kind !== "unavailable";
      // That one of them does not have it says less than that another one is down.
      if (!isFinal || why === undefined) why = error;
      left = isFinal ? others : [...others, { ...first, turn: first.turn + 1 }];
      // A transfer that gets on may break off as often as it likes.
      failures = size > had ? 1 : failures + 1;
    }
  }
}

interface From extends ResumeOptions {
  readonly from: number;
  readonly turn: number;
}

/** The bytes of `url` behind the first `from`, until they are all there or it stalls. */
async function* rest(url: string, { from, turn, get, signal }: From): AsyncGenerator<Part> {
  const stalled = new AbortController();
  const watch = () =>
    setTimeout(
      () =>
        stalled.abort(new Fault("unavailable", `"${withoutLogin(url)}" sends nothing any more`)),
      LIMITS.downloadStallMs,
    );
  const both = signal === undefined ? stalled.signal : AbortSignal.any([signal, stalled.signal]);
  let timer = watch();
  try {
    const headers: Record<string, string> = from === 0 ? {} : { Range: `bytes=${from}-` };
    const reply = await get(url, { headers, signal: both, turn });
    const isRest = reply.status === 206;
    const range = /^bytes (\d+)-/.exec(reply.headers["content-range"] ?? "")?.[1];
    if (isRest && range !== undefined && Number(range) !== from) {
      reply.cancel();
      throw new Fault(
        "unavailable",
        `"${withoutLogin(url)}" sends another part than it was asked for`,
      );
    }
    const length = Number(reply.headers["content-length"] ?? 0) || 0;
    const total = length === 0 ? 0 : length + (isRest ? from : 0);
    // One that can't begin in the middle sends again what is there already.
    let skip = isRest ? 0 : from;
    for await (const piece of reply.body) {
      clearTimeout(timer);
      const fresh = piece.subarray(Math.min(skip, piece.length));
      skip -= piece.length - fresh.length;
      if (fresh.length > 0) yield { piece: fresh, total, url };
      timer = watch();
    }
    if (skip > 0) {
      throw new Fault("unavailable", `"${withoutLogin(url)}" is shorter than what came before`);
    }
  } finally {
    clearTimeout(timer);
  }
}
