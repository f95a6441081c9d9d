/** Configuration of the server: keys of this machine in the local, the others in the global database. */
import { type Database, text } from "./db.ts";

/** Keys that belong to one machine, not to a cluster. */
const LOCAL = new Set([
  "cluster.https_address",
  "core.bgp_address",
  "core.bgp_routerid",
  "core.debug_address",
  "core.dns_address",
  "core.https_address",
  "core.metrics_address",
  "maas.machine",
  "storage.backups_volume",
  "storage.images_volume",
]);

export interface ServerConfigStore {
  read(): Promise<Record<string, string>>;
  /** Make it exactly `config`; empty values are removed. */
  write(config: Readonly<Record<string, string>>): Promise<void>;
}

/** `write` replaces all; empty values are not kept. */
export function serverConfigStore(global: Database, local: Database): ServerConfigStore {
  const readOne = (db: Database) =>
    db.read((tx) => tx.all("SELECT key, value FROM config ORDER BY key"));
  const writeOne = (db: Database, entries: [string, string][]) =>
    db.write(async (tx) => {
      await tx.run("DELETE FROM config");
      for (const [key, value] of entries) {
        await tx.run("INSERT INTO config (key, value) VALUES (?, ?)", key, value);
      }
    });
  return {
    async read() {
      const rows = [...await readOne(global), ...await readOne(local)];
      return Object.fromEntries(
        rows.map((row) => [text(row, "key"), text(row, "value")]).toSorted(),
      );
    },
    async write(config) {
      const entries = Object.entries(config).filter(([, value]) => value !== "");
      await writeOne(local, entries.filter(([key]) => LOCAL.has(key)));
      await writeOne(global, entries.filter(([key]) => !LOCAL.has(key)));
    },
  };
}
