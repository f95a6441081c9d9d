/** Large streams through a small heap. */

/** How much may come between two collections. */
const COLLECT_BYTES = 4 * 1024 * 1024;

/** V8's own, by --expose-gc; where the runtime has not been told so, nothing is collected early. */
type Collect = (options: { readonly type: "minor" }) => void;

/**
 * The same pieces, in order. The buffers of those that were read are dead, but they lie outside of
 * V8's heap, which looks small to it: a gibibyte passes before it collects in earnest, and over TLS
 * there are three buffers for each piece. So the young ones are collected (about a millisecond) every
 * few MiB, and the memory of the next ones is that of the last.
 */
export async function* frugal(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { gc } = globalThis as { readonly gc?: Collect };
  let fresh = 0;
  for await (const piece of source) {
    yield piece;
    fresh += piece.length;
    if (fresh < COLLECT_BYTES) continue;
    fresh = 0;
    gc?.({ type: "minor" });
  }
}
