/** What SQL statements gave, as text. Pure. */
import { grid } from "./table.ts";

export interface SqlResult {
  readonly type: "select" | "exec";
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  readonly rows_affected: number;
}

/** Several results are numbered. */
export function sqlText(results: readonly SqlResult[]): string {
  return results.map((result, index) => {
    const text = result.type === "select"
      ? grid(result.columns, result.rows.map((row) => row.map(cell)))
      : `Rows affected: ${result.rows_affected}\n`;
    return results.length > 1 ? `=> Query ${index}:\n\n${text}\n` : text;
  }).join("");
}

const cell = (value: unknown) => value === null ? "<nil>" : String(value);
