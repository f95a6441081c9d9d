import assert from "node:assert/strict";
import { untilDetach } from "./console.ts";

/** A source that gives one text after the other. */
function typing(...texts: string[]) {
  const left = texts.map((text) => new TextEncoder().encode(text));
  return {
    read(into: Uint8Array) {
      const next = left.shift();
      if (next === undefined) return Promise.resolve(null);
      into.set(next);
      return Promise.resolve(next.length);
    },
  };
}

/** What passes before the end or the detaching. */
async function passed(...texts: string[]): Promise<{ text: string; detached: boolean }> {
  const detached = Promise.withResolvers<void>();
  const source = untilDetach(typing(...texts, "\x01q"), detached.resolve);
  const buffer = new Uint8Array(16);
  let text = "";
  for (;;) {
    const count = await Promise.race([source.read(buffer), detached.promise.then(() => undefined)]);
    if (count === null || count === undefined) return { text, detached: count === undefined };
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
}

Deno.test("untilDetach() passes all before ctrl+a q, and nothing behind it", async () => {
  assert.deepEqual(await passed("ls\r"), { text: "ls\r", detached: true });
  assert.deepEqual(await passed("q", "a\x01qrest"), { text: "qa", detached: true });
});

Deno.test("untilDetach() finds ctrl+a and q in two reads", async () => {
  assert.deepEqual(await passed("x\x01", "q", "never"), { text: "x", detached: true });
});

Deno.test("untilDetach() passes ctrl+a itself when it is typed twice, or not meant", async () => {
  assert.equal((await passed("\x01\x01q")).text, "\x01q");
  assert.equal((await passed("\x01", "x")).text, "\x01x");
});
