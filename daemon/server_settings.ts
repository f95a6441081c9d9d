/** Server configuration that acts: the network listener and the trust password. */
import { checkServerConfig, SERVER_KEYS } from "#api/config/server_keys.ts";
import type { ServerConfigStore } from "#daemon/db/server_config.ts";
import { parseAddress } from "#daemon/http/listeners.ts";
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

export interface ServerSettings {
  /** As the API shows it: secrets are true. */
  shown(): Promise<Record<string, unknown>>;
  raw(): Promise<Record<string, string>>;
  /** Replace the configuration; what acts changes at once, and is put back if it can't. */
  replace(config: Readonly<Record<string, string>>): Promise<void>;
  isTrustPassword(password: string): Promise<boolean>;
}

export interface SettingsDeps {
  readonly store: ServerConfigStore;
  /** Listen on the address ("": nowhere) instead of the present one. Throws and keeps the old one. */
  readonly listen: (address: string) => Promise<void>;
}

export function createSettings({ store, listen }: SettingsDeps): ServerSettings {
  return {
    raw: () => store.read(),
    async shown() {
      const config = await store.read();
      return Object.fromEntries(
        Object.entries(config).map((
          [key, value],
        ) => [key, SERVER_KEYS[key]?.isSecret ? true : value]),
      );
    },
    async replace(wanted) {
      checkServerConfig(wanted);
      const before = await store.read();
      const next = { ...wanted };
      const password = next["core.trust_password"] ?? "";
      const oldPassword = before["core.trust_password"];
      // A client that sends back what it was shown ("true") means: unchanged.
      if (password === "true" && oldPassword !== undefined) {
        next["core.trust_password"] = oldPassword;
      } else if (password !== "" && password !== oldPassword) {
        next["core.trust_password"] = await hashPassword(password);
      }
      const address = next["core.https_address"] ?? "";
      if (address !== "") parseAddress(address);
      const isMoved = address !== (before["core.https_address"] ?? "");
      if (isMoved) await listen(address);
      try {
        await store.write(next);
      } catch (error) {
        if (isMoved) await listen(before["core.https_address"] ?? "");
        throw error;
      }
    },
    async isTrustPassword(password) {
      const stored = (await store.read())["core.trust_password"];
      if (stored === undefined || password === "") return false;
      return await matches(password, stored);
    },
  };
}

const SALT_BYTES = 32;
const HASH_BYTES = 64;

/** Hex of salt and scrypt(N=2^14, r=8, p=1), the format of LXD. */
async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  return Buffer.concat([salt, await derive(password, salt)]).toString("hex");
}

async function matches(password: string, stored: string): Promise<boolean> {
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
