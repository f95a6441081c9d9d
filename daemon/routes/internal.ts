/** Routes for this program's own tools: readiness, shutdown, `lxd sql`. */
import {
  internalGc,
  internalReady,
  internalShutdown,
  internalSqlGet,
  internalSqlPost,
} from "#api/routes/server.ts";
import { Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import { dumpDatabase, runStatements } from "#daemon/db/sql_console.ts";
import { type BoundRoute, handle, sync } from "#daemon/http/handle.ts";

export interface Lifetime {
  /** Settles once everything is started. */
  readonly ready: Promise<void>;
  /** Stop everything and end; settles just before the process ends. */
  readonly shutdown: (options: { force: boolean }) => Promise<void>;
  readonly databasePath: (name: string) => string | undefined;
}

export function internalRoutes(lifetime: Lifetime): BoundRoute[] {
  const path = (name: string | undefined) => {
    const found = lifetime.databasePath(name ?? "global");
    if (found === undefined) {
      throw new Fault("bad_request", `Invalid database "${name}"`, {
        hint: "Use global or local.",
      });
    }
    return found;
  };
  return [
    handle(internalReady, async () => {
      await lifetime.ready;
      return sync();
    }),
    handle(internalShutdown, async (_services, { query }) => {
      await lifetime.shutdown({ force: isTrue(query.force) });
      return sync();
    }),
    handle(internalGc, () => sync()),
    handle(internalSqlGet, (_services, { query }) => {
      const isSchema = query.schema === "1" || isTrue(query.schema);
      return sync({ text: dumpDatabase(path(query.database), isSchema) });
    }),
    handle(
      internalSqlPost,
      (_services, { body }) => sync({ results: runStatements(path(body.database), body.query) }),
    ),
  ];
}
