/** Routes for this program's own tools: readiness, shutdown, `lxd sql`. */
import {
  internalGc,
  internalReady,
  internalRecoverImport,
  internalRecoverValidate,
  internalShutdown,
  internalSqlGet,
  internalSqlPost,
} from "#api/routes/server.ts";
import { Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import type { Backups } from "#daemon/backups/service.ts";
import type { NamedPool } from "#daemon/backups/lost/scan.ts";
import { dumpDatabase, runStatements } from "#daemon/db/sql_console.ts";
import { type BoundRoute, handle, sync } from "#daemon/http/handle.ts";
import { checkPoolName } from "./storage_pools.ts";

export interface Lifetime {
  /** Settles once everything is started. */
  readonly ready: Promise<void>;
  /** Stop everything and end; settles just before the process ends. */
  readonly shutdown: (options: { force: boolean }) => Promise<void>;
  readonly databasePath: (name: string) => string | undefined;
}

/** Outside of the API: not in its documents, and subject to change. */
export function internalRoutes(lifetime: Lifetime, backups: Backups): BoundRoute[] {
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
    handle(internalRecoverValidate, async (_services, { body }) => {
      const { instances, volumes, missing } = await backups.lost.find(namedPools(body.pools));
      const found = [...instances, ...volumes].map((
        { name, volume, snapshots, project, pool },
      ) => ({
        name,
        type: volume.kind,
        snapshotCount: snapshots.length,
        project,
        pool,
      }));
      return sync({ UnknownVolumes: orNull(found), DependencyErrors: orNull(missing) });
    }),
    handle(internalRecoverImport, async (_services, { body }) => {
      await backups.lost.takeUp(namedPools(body.pools));
      return sync();
    }),
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

type PoolsGiven = readonly (Pick<NamedPool, "name" | "driver"> & Partial<NamedPool>)[];

/** An empty value is none. @throws {Fault} bad_request */
function namedPools(pools: PoolsGiven): NamedPool[] {
  return pools.map(({ name, driver, description = "", config = {} }) => {
    checkPoolName(name);
    const given = Object.entries(config).filter(([, value]) => value !== "");
    return { name, driver, description, config: Object.fromEntries(given) };
  });
}

/** Go's empty list. */
function orNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}
