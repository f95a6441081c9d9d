/** SQL by hand, for `lxd sql`: on a connection of its own. */
import { Fault, messageOf } from "#base/errors.ts";
import { DatabaseSync } from "node:sqlite";

export interface SqlResult {
  readonly type: "select" | "exec";
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  readonly rows_affected: number;
}

/** Run the statements of a text one by one. @throws {Fault} bad_request with SQLite's words */
export function runStatements(path: string, sql: string): SqlResult[] {
  // "text" in double quotes is what scripts write.
  const db = new DatabaseSync(path, { enableDoubleQuotedStringLiterals: true });
  try {
    db.exec("PRAGMA foreign_keys=ON; PRAGMA busy_timeout=5000;");
    return splitStatements(sql).map((one) => runOne(db, one));
  } catch (error) {
    throw new Fault("bad_request", `cannot run SQL: ${messageOf(error)}`, { cause: error });
  } finally {
    db.close();
  }
}

function runOne(db: DatabaseSync, sql: string): SqlResult {
  const statement = db.prepare(sql);
  const columns = statement.columns().map(({ name }) => name);
  if (columns.length === 0) {
    const { changes } = statement.run();
    return { type: "exec", columns: [], rows: [], rows_affected: Number(changes) };
  }
  const rows = statement.all().map((row) => columns.map((name) => row[name]));
  return { type: "select", columns, rows, rows_affected: 0 };
}

/** At semicolons outside of quotes. Pure. */
function splitStatements(sql: string): string[] {
  const pieces = sql.match(/(?:'(?:[^']|'')*'|"[^"]*"|--[^\n]*|[^;'"])+/g) ?? [];
  return pieces.map((piece) => piece.trim()).filter((piece) => piece !== "");
}

/** Text that makes the database again, or its schema alone. */
export function dumpDatabase(path: string, isSchemaOnly: boolean): string {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const objects = db.prepare(
      "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'",
    ).all();
    const lines = ["PRAGMA foreign_keys=OFF;", "BEGIN TRANSACTION;"];
    for (const { type, name, sql } of objects) {
      lines.push(`${sql};`);
      if (type === "table" && !isSchemaOnly) lines.push(...insertsOf(db, String(name)));
    }
    lines.push("COMMIT;");
    return lines.join("\n") + "\n";
  } finally {
    db.close();
  }
}

function insertsOf(db: DatabaseSync, table: string): string[] {
  const quoted = `"${table.replaceAll('"', '""')}"`;
  return db.prepare(`SELECT * FROM ${quoted}`).all().map((row) => {
    const values = Object.values(row).map((value) =>
      value === null
        ? "NULL"
        : typeof value === "number" || typeof value === "bigint"
        ? String(value)
        : `'${String(value).replaceAll("'", "''")}'`
    );
    return `INSERT INTO ${table} VALUES(${values.join(",")});`;
  });
}
