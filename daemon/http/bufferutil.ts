/**
 * What ws takes from the package bufferutil, if it is there: the masking of frames, by words instead
 * of bytes, which is what a flood of input costs most of. tools/link gives it to the daemon's bundle.
 */

/** @param mask Four bytes. */
export function unmask(buffer: Uint8Array, mask: Uint8Array): void {
  let at = 0;
  const head = Math.min(buffer.length, -buffer.byteOffset & 3);
  while (at < head) at = xorByte(buffer, mask, at);
  const key = new Uint8Array(4);
  for (let index = 0; index < 4; index++) key[index] = mask[(at + index) & 3] ?? 0;
  const [word = 0] = new Uint32Array(key.buffer);
  const count = (buffer.length - at) >>> 2;
  const start = count === 0 ? 0 : buffer.byteOffset + at;
  const words = new Uint32Array(buffer.buffer, start, count);
  for (let index = 0; index < count; index++) words[index] = (words[index] ?? 0) ^ word;
  at += count * 4;
  while (at < buffer.length) at = xorByte(buffer, mask, at);
}

/** As unmask, into `output`: what ws calls for frames that we send. */
export function mask(
  source: Uint8Array,
  key: Uint8Array,
  output: Uint8Array,
  offset: number,
  length: number,
): void {
  const target = output.subarray(offset, offset + length);
  target.set(source.subarray(0, length));
  unmask(target, key);
}

function xorByte(buffer: Uint8Array, mask: Uint8Array, at: number): number {
  buffer[at] = (buffer[at] ?? 0) ^ (mask[at & 3] ?? 0);
  return at + 1;
}
