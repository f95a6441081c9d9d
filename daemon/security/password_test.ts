import assert from "node:assert/strict";
import { hashPassword, matchesPassword } from "./password.ts";

Deno.test("matchesPassword() knows the password of a hash, and no other", async () => {
  const stored = await hashPassword("sesame");

  assert.equal(await matchesPassword("sesame", stored), true);
  assert.equal(await matchesPassword("Sesame", stored), false);
  assert.equal(await matchesPassword("", stored), false);
});

Deno.test("hashPassword() gives 96 bytes in hex, each time with another salt", async () => {
  const [first, second] = [await hashPassword("a"), await hashPassword("a")];

  assert.match(first, /^[0-9a-f]{192}$/);
  assert.notEqual(first, second);
});

Deno.test("matchesPassword() refuses a stored value that is no hash", async () => {
  assert.equal(await matchesPassword("a", ""), false);
  assert.equal(await matchesPassword("a", "zz"), false);
});
