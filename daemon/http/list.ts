/** Lists: URLs, or objects with recursion, filtered. */
import { type Call, type Reply, sync } from "./handle.ts";
import { parseFilter } from "./filter.ts";
import type { RouteRow } from "#api/route.ts";

/** `?project=` for URLs of things outside the default project. */
export function projectSuffix(project: string): string {
  return project === "default" ? "" : `?project=${encodeURIComponent(project)}`;
}

/** URLs of the objects (recursion 0) or the objects themselves, after the filter of the request. */
export function list<T>(
  call: Pick<Call<RouteRow>, "query">,
  objects: readonly T[],
  urlOf: (object: T) => string,
): Reply {
  const text = (call.query as { filter?: string }).filter;
  const filter = text === undefined || text === "" ? undefined : parseFilter(text);
  const chosen = filter === undefined ? objects : objects.filter(filter);
  return sync(call.query.recursion === 0 ? chosen.map(urlOf) : chosen);
}
