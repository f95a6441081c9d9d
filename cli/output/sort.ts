/** The order of rows in LXD's tables: column by column, numbers by value, what is empty last. Pure. */
import { naturalOrder } from "./shape.ts";

export function sortRows(rows: readonly (readonly string[])[]): (readonly string[])[] {
  return rows.toSorted((a, b) => {
    for (let column = 0; column < Math.max(a.length, b.length); column++) {
      const left = a[column] ?? "";
      const right = b[column] ?? "";
      if (left === right) continue;
      if (left === "" || right === "") return left === "" ? 1 : -1;
      return naturalOrder(left, right);
    }
    return 0;
  });
}
