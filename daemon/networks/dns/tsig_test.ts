import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { encodeName, formatAnswer, join, TYPES, uint16 } from "./message.ts";
import { peerOf } from "./peers.ts";
import { findTsig } from "./tsig.ts";

const NOW = 1_700_000_000;
const KEY = btoa("0123456789abcdef");

/** A transfer's question, signed as RFC 8945 says. */
function signedQuestion(key: string, secret: string, algorithm = "hmac-sha256"): Uint8Array {
  const question = { id: 7, name: "example.net", type: TYPES.AXFR };
  const plain = formatAnswer(question, 0, []);
  plain[2] = 0;
  const times = uint16(0, NOW >>> 16, NOW & 0xffff, 300);
  const mac = createHmac(algorithm.replace("hmac-", ""), atob(secret)).update(join([
    plain,
    ...[encodeName(key), uint16(255, 0, 0), encodeName(algorithm), times, uint16(0, 0)],
  ])).digest();
  const data = join([
    ...[encodeName(algorithm), times, uint16(mac.length), mac, uint16(question.id, 0, 0)],
  ]);
  const signed = join([plain, encodeName(key), uint16(250, 255, 0, 0, data.length), data]);
  signed[11] = 1;
  return signed;
}

const ask = (
  config: Record<string, string>,
  message: Uint8Array,
  { address = "192.0.2.1", nowSeconds = NOW } = {},
) =>
  peerOf({ name: "example.net", config }, {
    ...{ address, message, nowSeconds, tsig: findTsig(message) },
  });

Deno.test("peerOf() takes an address, a key, or both, whichever a peer has", () => {
  const message = signedQuestion("example.net_a", KEY);
  const [address, key] = [{ "peers.a.address": "192.0.2.0/24" }, { "peers.a.key": KEY }];

  assert.equal(ask(address, message), "unsigned");
  assert.equal(ask(address, message, { address: "198.51.100.1" }), undefined);
  assert.deepEqual(ask(key, message), Buffer.from(KEY, "base64"));
  assert.equal(ask({ ...address, ...key }, message, { address: "198.51.100.1" }), undefined);
  assert.equal(ask({}, message), undefined);
});

Deno.test("peerOf() refuses other keys, names and algorithms, what is altered, and what is old", () => {
  const key = { "peers.a.key": KEY };
  const altered = signedQuestion("example.net_a", KEY);
  altered[13] = 0x66;

  assert.equal(ask(key, signedQuestion("example.net_a", btoa("fedcba9876543210"))), undefined);
  assert.equal(ask(key, signedQuestion("example.net_b", KEY)), undefined);
  assert.equal(ask(key, signedQuestion("example.net_a", KEY, "hmac-md5")), undefined);
  assert.equal(ask(key, altered), undefined);
  assert.equal(
    ask(key, signedQuestion("example.net_a", KEY), { nowSeconds: NOW + 301 }),
    undefined,
  );
});

Deno.test("findTsig() takes no rubbish", () => {
  const message = signedQuestion("example.net_a", KEY);
  assert.ok(findTsig(message));

  for (let length = 0; length < message.length; length++) {
    assert.equal(findTsig(message.slice(0, length)), undefined, `${length} bytes`);
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void findTsig(bytes)));
});
