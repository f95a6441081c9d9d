/** Hashes of the trust password in LXD's form: hex of salt and scrypt(N=2^14, r=8, p=1). */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

const SALT_BYTES = 32;
const HASH_BYTES = 64;

/** Cost: some 50 ms and 16 MB, on purpose. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  return Buffer.concat([salt, await derive(password, salt)]).toString("hex");
}

/** In a time that does not tell how much was right. Cost: as hashPassword. */
export async function matchesPassword(password: string, stored: string): Promise<boolean> {
  const bytes = Buffer.from(stored, "hex");
  const hash = await derive(password, bytes.subarray(0, SALT_BYTES));
  const wanted = bytes.subarray(SALT_BYTES);
  return wanted.length === hash.length && timingSafeEqual(wanted, hash);
}

function derive(password: string, salt: Uint8Array): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  scrypt(password, salt, HASH_BYTES, { N: 16384, r: 8, p: 1 }, (error, key) => {
    if (error) reject(error);
    else resolve(key);
  });
  return promise;
}
