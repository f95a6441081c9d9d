/** node:sqlite behind the Database interface: one write connection, read connections as needed. */
import { Fault } from "#base/errors.ts";
import { LockTable } from "#base/lock.ts";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Database, Row, SqlValue, Tx } from "./db.ts";

/** Statements are kept by their text: most of the cost of a small query is its preparation. */
class Connection implements Tx {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string) {
    this.#db = new DatabaseSync(path);
    this.#db.exec(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;" +
        "PRAGMA busy_timeout=5000;",
    );
  }

  exec(sql: string): void {
    this.#db.exec(sql);
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      if (this.#statements.size > 500) this.#statements.clear();
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  all(sql: string, ...parameters: SqlValue[]): Promise<readonly Row[]> {
    return attempt(() => this.#prepare(sql).all(...parameters) as Row[]);
  }

  get(sql: string, ...parameters: SqlValue[]): Promise<Row | undefined> {
    return attempt(() => this.#prepare(sql).get(...parameters) as Row | undefined);
  }

  run(sql: string, ...parameters: SqlValue[]): Promise<{ changes: number; lastId: number }> {
    return attempt(() => {
      const { changes, lastInsertRowid } = this.#prepare(sql).run(...parameters);
      return { changes: Number(changes), lastId: Number(lastInsertRowid) };
    });
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }
}

/** What readers beside writers may leave open. */
const IDLE_READERS_MAX = 8;

/** A read transaction, shared by all reads that begin before the next write: a crowd opens one connection. */
interface Snapshot {
  readonly reader: Connection;
  /** Of the database when it began. */
  readonly version: number;
  users: number;
}

/** @param path of the database file; made if it is missing. */
export function openDatabase(path: string): Database {
  const writer = new Connection(path);
  // Two at once are usual; made now, they are no descriptors that seem to leak later.
  const idleReaders: Connection[] = [new Connection(path), new Connection(path)];
  const locks = new LockTable();
  let version = 0;
  let current: Snapshot | undefined;
  const begin = (): Snapshot => {
    const reader = idleReaders.pop() ?? new Connection(path);
    reader.exec("BEGIN");
    return { reader, version, users: 0 };
  };
  const end = (snapshot: Snapshot) => {
    if (current === snapshot) current = undefined;
    snapshot.reader.exec("COMMIT");
    if (idleReaders.length < IDLE_READERS_MAX) idleReaders.push(snapshot.reader);
    else snapshot.reader.close();
  };
  return {
    get version() {
      return version;
    },
    async read(run) {
      const snapshot = current !== undefined && current.version === version
        ? current
        : current = begin();
      snapshot.users++;
      try {
        return await run(snapshot.reader);
      } finally {
        snapshot.users--;
        if (snapshot.users === 0) end(snapshot);
      }
    },
    async write(run) {
      using _turn = await locks.acquire("write");
      writer.exec("BEGIN IMMEDIATE");
      try {
        const result = await run(writer);
        writer.exec("COMMIT");
        version++;
        return result;
      } catch (error) {
        writer.exec("ROLLBACK");
        throw error;
      }
    },
    close() {
      for (const reader of idleReaders.splice(0)) reader.close();
      writer.close();
    },
  };
}

// From sqlite3.h: extended result codes.
const UNIQUE = [2067, 1555];
const CONSTRAINT = 19;

function attempt<T>(query: () => T): Promise<T> {
  try {
    return Promise.resolve(query());
  } catch (error) {
    return Promise.reject(translate(error));
  }
}

function translate(error: unknown): unknown {
  const code = (error as { errcode?: number }).errcode;
  if (code === undefined) return error;
  if (UNIQUE.includes(code)) {
    const table = /failed: (\w+)\./.exec(String(error))?.[1] ?? "database";
    return new Fault("conflict", `This "${table}" entry already exists`, { cause: error });
  }
  if ((code & 0xff) === CONSTRAINT) {
    return new Fault("bad_request", `a database rule does not hold: ${error}`, { cause: error });
  }
  return error;
}
