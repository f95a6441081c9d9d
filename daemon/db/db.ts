/**
 * The database seam: asynchronous, so that it can sit on dqlite in a cluster one day. Nothing
 * outside this folder knows that it is node:sqlite on a local file. Queries are plain SQL, one file
 * per table: a query builder would add a dependency and 30 us a query, and check less than the tests do.
 */

export type SqlValue = string | number | null | Uint8Array;
export type Row = Readonly<Record<string, SqlValue>>;

/** Queries of one transaction. Inside a transaction await nothing but queries on its `tx`. */
export interface Tx {
  all(sql: string, ...parameters: SqlValue[]): Promise<readonly Row[]>;
  get(sql: string, ...parameters: SqlValue[]): Promise<Row | undefined>;
  /** @returns rows changed and the id of the last inserted row. */
  run(sql: string, ...parameters: SqlValue[]): Promise<{ changes: number; lastId: number }>;
}

export interface Database {
  /** A consistent snapshot; never waits for writers. */
  read<T>(run: (tx: Tx) => Promise<T>): Promise<T>;
  /**
   * BEGIN IMMEDIATE ... COMMIT on the one write connection; writers queue. Rolled back if `run` throws.
   *
   * @throws {Fault} conflict on a unique violation, bad_request on another broken constraint.
   */
  write<T>(run: (tx: Tx) => Promise<T>): Promise<T>;
  /** Grows with each committed write: caches compare it. */
  readonly version: number;
  close(): void;
}

/** A text column. @throws a bug if it is something else. */
export function text(row: Row, column: string): string {
  const value = row[column];
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : String(value);
}

/** A whole number column; NULL is 0. */
export function integer(row: Row, column: string): number {
  const value = row[column];
  return typeof value === "number" ? value : Number(value ?? 0);
}
