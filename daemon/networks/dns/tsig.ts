/** Signed questions and answers: TSIG with keys that both sides have. Pure. @see RFC 8945 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { encodeName, HEADER_BYTES, join, readName, uint16 } from "./message.ts";

/** The record that ends a signed message. */
export interface Tsig {
  /** Lower case, without the last dot. */
  readonly key: string;
  readonly algorithm: string;
  /** Seconds since 1970. */
  readonly signedAt: number;
  readonly fudgeSeconds: number;
  readonly mac: Uint8Array;
  readonly originalId: number;
  readonly error: number;
  readonly other: Uint8Array;
  /** Where it begins in the message. */
  readonly start: number;
}

const TYPE_TSIG = 250;
const CLASS_ANY = 255;
const FUDGE_SECONDS = 300;

/** Names of algorithms on the wire -> of hashes. */
const HASHES: Readonly<Record<string, string>> = {
  "hmac-sha1": "sha1",
  "hmac-sha224": "sha224",
  "hmac-sha256": "sha256",
  "hmac-sha384": "sha384",
  "hmac-sha512": "sha512",
};

/** The signature of a message with one question; undefined: it is not signed, or broken. */
export function findTsig(message: Uint8Array): Tsig | undefined {
  try {
    return readTsig(message);
  } catch (error) {
    if (error instanceof RangeError) return undefined; // Ignored: it ends too early.
    throw error;
  }
}

/** @throws {RangeError} if the message ends too early. */
function readTsig(message: Uint8Array): Tsig | undefined {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const records = view.getUint16(6) + view.getUint16(8) + view.getUint16(10);
  let at = afterName(view, HEADER_BYTES) + 4;
  if (view.getUint16(10) === 0) return undefined;
  for (let left = records - 1; left > 0; left--) {
    const fixed = afterName(view, at);
    at = fixed + 10 + view.getUint16(fixed + 8);
  }
  const name = readName(message, at);
  if (name === undefined || view.getUint16(name.end) !== TYPE_TSIG) return undefined;
  const algorithm = readName(message, name.end + 10);
  if (algorithm === undefined) return undefined;
  const macAt = algorithm.end + 10;
  const macEnd = macAt + view.getUint16(macAt - 2);
  const otherAt = macEnd + 6;
  const end = otherAt + view.getUint16(otherAt - 2);
  if (end !== message.length) return undefined;
  return {
    key: name.name,
    algorithm: algorithm.name,
    signedAt: view.getUint16(algorithm.end) * 2 ** 32 + view.getUint32(algorithm.end + 2),
    fudgeSeconds: view.getUint16(algorithm.end + 6),
    mac: message.subarray(macAt, macEnd),
    originalId: view.getUint16(macEnd),
    error: view.getUint16(macEnd + 2),
    other: message.subarray(otherAt, end),
    start: at,
  };
}

/** Names of other records may end in a pointer. */
function afterName(view: DataView, start: number): number {
  for (let at = start;;) {
    const length = view.getUint8(at);
    if (length >= 0xc0) return at + 2;
    at += 1 + length;
    if (length === 0) return at;
  }
}

/** Was the message signed with this key, and lately? */
export function isSigned(
  message: Uint8Array,
  tsig: Tsig,
  { secret, nowSeconds }: { readonly secret: Uint8Array; readonly nowSeconds: number },
): boolean {
  const hash = HASHES[tsig.algorithm];
  if (hash === undefined || Math.abs(nowSeconds - tsig.signedAt) > tsig.fudgeSeconds) return false;
  const plain = message.slice(0, tsig.start);
  const view = new DataView(plain.buffer);
  view.setUint16(0, tsig.originalId);
  view.setUint16(10, view.getUint16(10) - 1);
  const expected = hmac(hash, secret, [plain, ...variables(tsig)]);
  return tsig.mac.length === expected.length && timingSafeEqual(tsig.mac, expected);
}

/** The same answers, signed: each signature covers the one before, the first that of the question. */
export function signAnswers(
  answers: readonly Uint8Array[],
  question: Tsig,
  { secret, nowSeconds }: { readonly secret: Uint8Array; readonly nowSeconds: number },
): Uint8Array[] {
  const hash = HASHES[question.algorithm] ?? "sha256";
  const tsig = {
    ...question,
    ...{ signedAt: nowSeconds, fudgeSeconds: FUDGE_SECONDS, error: 0, other: new Uint8Array() },
  };
  let before = question.mac;
  return answers.map((answer, index) => {
    const said = index === 0 ? variables(tsig) : [timers(tsig)];
    before = hmac(hash, secret, [uint16(before.length), before, answer, ...said]);
    return withTsig(answer, { ...tsig, mac: before });
  });
}

function withTsig(answer: Uint8Array, tsig: Tsig): Uint8Array {
  const data = join([
    encodeName(tsig.algorithm),
    timers(tsig),
    uint16(tsig.mac.length),
    tsig.mac,
    answer.subarray(0, 2),
    uint16(tsig.error, tsig.other.length),
    tsig.other,
  ]);
  const signed = join([
    answer,
    encodeName(tsig.key),
    uint16(TYPE_TSIG, CLASS_ANY, 0, 0, data.length),
    data,
  ]);
  const view = new DataView(signed.buffer);
  view.setUint16(10, view.getUint16(10) + 1);
  return signed;
}

/** What a signature covers besides the message. */
function variables(tsig: Tsig): Uint8Array[] {
  return [
    encodeName(tsig.key),
    uint16(CLASS_ANY, 0, 0),
    encodeName(tsig.algorithm),
    timers(tsig),
    uint16(tsig.error, tsig.other.length),
    tsig.other,
  ];
}

function timers({ signedAt, fudgeSeconds }: Pick<Tsig, "signedAt" | "fudgeSeconds">): Uint8Array {
  const high = Math.floor(signedAt / 2 ** 32);
  return uint16(high, (signedAt >>> 16) & 0xffff, signedAt & 0xffff, fudgeSeconds);
}

function hmac(hash: string, secret: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const code = createHmac(hash, secret);
  for (const part of parts) code.update(part);
  return code.digest();
}
