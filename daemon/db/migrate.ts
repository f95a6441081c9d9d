/** Bring a database to the newest version: run the migrations it has not seen, each in one transaction. */
import { Fault } from "#base/errors.ts";
import { DatabaseSync } from "node:sqlite";

/**
 * @param patch SQL of the administrator (database/patch.global.sql), run after the migrations.
 * @throws {Fault} unavailable if the database is newer than this program.
 */
export function migrate(path: string, migrations: readonly string[], patch?: string): void {
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON;");
    db.exec(
      "CREATE TABLE IF NOT EXISTS schema (id INTEGER PRIMARY KEY AUTOINCREMENT, " +
        "version INTEGER NOT NULL UNIQUE, updated_at TEXT NOT NULL) STRICT;",
    );
    const row = db.prepare("SELECT MAX(version) AS version FROM schema").get();
    const current = Number(row?.["version"] ?? 0);
    if (current > migrations.length) {
      throw new Fault("unavailable", `the database "${path}" has version ${current}`, {
        hint: `This program knows ${migrations.length}: use a newer one.`,
      });
    }
    migrations.slice(current).forEach((sql, index) => {
      inTransaction(db, () => {
        db.exec(sql);
        db.prepare("INSERT INTO schema (version, updated_at) VALUES (?, ?)")
          .run(current + index + 1, new Date().toISOString());
      });
    });
    if (patch !== undefined) inTransaction(db, () => db.exec(patch));
  } finally {
    db.close();
  }
}

/** Is there a database that migrate() would change? */
export function isOutdated(path: string, migrations: readonly string[]): boolean {
  try {
    Deno.statSync(path);
  } catch {
    return false; // Ignored: a new one.
  }
  const db = new DatabaseSync(path);
  try {
    const known = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'schema'").get();
    if (known === undefined) return false;
    const row = db.prepare("SELECT MAX(version) AS version FROM schema").get();
    return Number(row?.["version"] ?? 0) < migrations.length;
  } finally {
    db.close();
  }
}

function inTransaction(db: DatabaseSync, run: () => void): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    run();
    db.exec("COMMIT");
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}
