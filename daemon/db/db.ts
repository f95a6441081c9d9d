/**
 * The database seam: asynchronous, so that it can sit on dqlite in a cluster one day. Nothing
 * outside this folder knows that it is node:sqlite on a local file.
 */
import type { Kysely } from "kysely";
import type { Tables } from "./tables.ts";

/** Queries of one transaction. Inside a transaction await nothing but queries on its `tx`. */
export type Tx = Kysely<Tables>;

export interface Database {
  /** A consistent snapshot; never waits for writers. */
  read<T>(run: (tx: Tx) => Promise<T>): Promise<T>;
  /**
   * BEGIN IMMEDIATE ... COMMIT on the one write connection; writers queue. Rolled back if `run` throws.
   *
   * @throws {Fault} conflict on a unique violation, bad_request on a foreign key violation.
   */
  write<T>(run: (tx: Tx) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}
