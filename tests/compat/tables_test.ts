/**
 * LXD's tables and columns exist in our databases, in the files where LXD has them. Scripts query
 * them, and the leftover checks of LXD's harness pass on a table that is missing.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { GLOBAL_TABLES, LOCAL_TABLES } from "./tables.ts";

type Tables = Readonly<Record<string, string>>;

function missingColumns(file: string, tables: Tables): string[] {
  using database = new DatabaseSync(file, { readOnly: true });
  const query = database.prepare("SELECT name FROM pragma_table_info(?)");
  return Object.entries(tables).flatMap(([table, columns]) => {
    const ours = query.all(table).map(({ name }) => name);
    return columns.split(" ").filter((column) => !ours.includes(column))
      .map((column) => `${table}.${column}`);
  });
}

Deno.test("databases have LXD's tables and columns", async () => {
  await using daemon = await TestDaemon.start(OURS);
  await daemon.stop();
  const folder = `${daemon.directory}/database`;

  assert.deepEqual(missingColumns(`${folder}/global/db.bin`, GLOBAL_TABLES), []);
  assert.deepEqual(missingColumns(`${folder}/local.db`, LOCAL_TABLES), []);
});
