import assert from "node:assert/strict";
import { type SqlResult, sqlText } from "./sql.ts";

const SELECT: SqlResult = {
  type: "select",
  columns: ["id", "name"],
  rows: [[1, "default"], [2, null]],
  rows_affected: 0,
};
const EXEC: SqlResult = { type: "exec", columns: [], rows: [], rows_affected: 3 };

Deno.test("sqlText() prints rows without lines between them", () => {
  assert.equal(
    sqlText([SELECT]),
    "+----+---------+\n| id |  name   |\n+----+---------+\n" +
      "| 1  | default |\n| 2  | <nil>   |\n+----+---------+\n",
  );
});

Deno.test("sqlText() numbers several results", () => {
  assert.equal(sqlText([EXEC]), "Rows affected: 3\n");
  assert.match(sqlText([EXEC, EXEC]), /^=> Query 0:\n\nRows affected: 3\n\n=> Query 1:\n\n/);
});

Deno.test("sqlText() prints the columns of an empty result", () => {
  assert.equal(
    sqlText([{ ...SELECT, rows: [] }]),
    "+----+------+\n| id | name |\n+----+------+\n+----+------+\n",
  );
});
