/** Server configuration: what is stored, what clients see of it, and what acts as it changes. */
import { checkServerConfig, SERVER_KEYS } from "#api/config/server_keys.ts";
import { Undo } from "#base/undo.ts";
import type { ServerConfigStore } from "#daemon/db/server_config.ts";
import { hashPassword, matchesPassword } from "#daemon/security/password.ts";

export type ServerConfig = Readonly<Record<string, string>>;

/** Keys whose value acts on the running daemon. */
export interface SettingEffect {
  readonly keys: readonly string[];
  /** Refuse values before anything changes. @throws {Fault} bad_request */
  readonly check?: (next: ServerConfig) => void;
  /**
   * Called when one of the keys changes, before it is stored. If it throws, what it did must be
   * undone; if a later step fails, it is called again with the configuration of before.
   */
  readonly apply?: (next: ServerConfig, before: ServerConfig) => Promise<void>;
  /** Called once the change is stored. */
  readonly stored?: () => void;
}

export interface ServerSettings {
  /** As the API shows it: secrets are true. */
  shown(): Promise<Record<string, unknown>>;
  raw(): Promise<Record<string, string>>;
  /** The value that counts: the stored one, else the default; "" without. */
  value(key: string): Promise<string>;
  /** Replace the configuration; what acts changes at once, and is put back if it can't. */
  replace(config: ServerConfig): Promise<void>;
  isTrustPassword(password: string): Promise<boolean>;
}

export interface SettingsDeps {
  readonly store: ServerConfigStore;
  readonly effects: readonly SettingEffect[];
}

/** Values are checked and take effect before they are stored; if that fails, nothing has changed. */
export function createSettings({ store, effects }: SettingsDeps): ServerSettings {
  return {
    raw: () => store.read(),
    async value(key) {
      return (await store.read())[key] ?? SERVER_KEYS[key]?.default ?? "";
    },
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
      const next = await withPassword(wanted, before);
      for (const { check } of effects) check?.(next);
      const changed = effects.filter(({ keys }) =>
        keys.some((key) => (next[key] ?? "") !== (before[key] ?? ""))
      );
      await using undo = new Undo();
      for (const { keys, apply } of changed) {
        if (apply === undefined) continue;
        await apply(next, before);
        undo.add(`put ${keys.join(", ")} back`, () => apply(before, next));
      }
      await store.write(next);
      undo.keep();
      for (const { stored } of changed) stored?.();
    },
    async isTrustPassword(password) {
      const stored = (await store.read())["core.trust_password"];
      if (stored === undefined || password === "") return false;
      return await matchesPassword(password, stored);
    },
  };
}

/** The trust password is stored hashed; "true", as shown, means: unchanged. */
async function withPassword(wanted: ServerConfig, before: ServerConfig): Promise<ServerConfig> {
  const key = "core.trust_password";
  const password = wanted[key] ?? "";
  const old = before[key];
  if (password === "true" && old !== undefined) return { ...wanted, [key]: old };
  if (password === "" || password === old) return wanted;
  return { ...wanted, [key]: await hashPassword(password) };
}
