/** Large streams through a small heap. */

/** How much may come between two collections. */
const COLLECT_BYTES = 4 * 1024 * 1024;

/** V8's own, by --expose-gc; where the runtime has not been told so, nothing is collected early. */
type Collect = (options: { readonly type: "minor" }) => void;

/**
 * Told of the bytes that have passed. The buffers of those that were read or sent are dead, but they
 * lie outside of V8's heap, which looks small to it: a gibibyte passes before it collects in earnest,
 * and over TLS there are three buffers for each piece. So the young ones are collected (about a
 * millisecond) every few MiB, and the memory of the next ones is that of the last.
 */
export function collector(): (bytes: number) => void {
  const { gc } = globalThis as { readonly gc?: Collect };
  let fresh = 0;
  return (bytes) => {
    fresh += bytes;
    if (fresh < COLLECT_BYTES) return;
    fresh = 0;
    gc?.({ type: "minor" });
  };
}

/** The same pieces, in order, collected as they pass. */
export async function* frugal(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const collect = collector();
  for await (const piece of source) {
    yield piece;
    collect(piece.length);
  }
}
