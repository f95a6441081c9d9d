/** The order of rows in LXD's tables: column by column, numbers by value, what is empty last. Pure. */

/** Leaves what it is given as it is. */
export function sortRows(rows: readonly (readonly string[])[]): (readonly string[])[] {
  return rows.toSorted(orderOfRows);
}

function orderOfRows(a: readonly string[], b: readonly string[]): number {
  for (let column = 0; column < Math.max(a.length, b.length); column++) {
    const left = a[column] ?? "";
    const right = b[column] ?? "";
    if (left === right) continue;
    if (left === "" || right === "") return left === "" ? 1 : -1;
    return naturalOrder(left, right);
  }
  return 0;
}

/**
 * Volumes: a snapshot beside what it is of, since "custom" and "custom (snapshot)" in the first column
 * count as one.
 */
export function sortVolumes(rows: readonly (readonly string[])[]): (readonly string[])[] {
  const kindOf = (row: readonly string[]) => row[0]?.split(" ")[0] ?? "";
  return rows.toSorted((a, b) => {
    const isSameKind = kindOf(a) === kindOf(b);
    return orderOfRows(isSameKind ? a.slice(1) : a, isSameKind ? b.slice(1) : b);
  });
}

/** Runs of digits, and the characters between them one by one. */
const PIECES = /\d+|\D/gu;

/** "c2" before "c10", "1" before "01", digits before all else, which goes by its code. */
export function naturalOrder(a: string, b: string): number {
  const left = a.match(PIECES) ?? [];
  const right = b.match(PIECES) ?? [];
  const at = left.findIndex((piece, index) => piece !== right[index]);
  const [x, y] = [left[at], right[at]];
  if (x === undefined || y === undefined) return left.length - right.length;
  if (isDigits(x) && isDigits(y)) return orderOfDigits(x, y);
  if (isDigits(x) || isDigits(y)) return isDigits(x) ? -1 : 1;
  return (x.codePointAt(0) ?? 0) - (y.codePointAt(0) ?? 0);
}

function isDigits(piece: string): boolean {
  return /^\d/.test(piece);
}

/** By value, however long they are; with the same value, the one with fewer zeros in front first. */
function orderOfDigits(a: string, b: string): number {
  const [x, y] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  if (x.length !== y.length) return x.length - y.length;
  if (x !== y) return x < y ? -1 : 1;
  return a.length - b.length;
}
