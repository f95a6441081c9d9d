/** From method and path to a route. Only this file imports the router library. */
import type { Method, RouteRow } from "#api/route.ts";
import { Fault } from "#base/errors.ts";
import { TrieRouter } from "hono/router/trie-router";
import type { BoundRoute } from "./handle.ts";

export interface Match {
  readonly route: BoundRoute;
  readonly params: Readonly<Record<string, string>>;
}

export interface Router {
  /**
   * undefined: no such path; "method": the path exists, not for this method.
   *
   * @throws {Fault} bad_request for a broken escape.
   */
  match(method: string, path: string): Match | "method" | undefined;
}

const ALIASES = ["containers", "virtual-machines"];

/** Literal parts of a path win over parameters; "method": the path is there, the method is not. */
export function createRouter(routes: readonly BoundRoute[]): Router {
  const tries = new Map<Method, TrieRouter<BoundRoute>>();
  const paths = new TrieRouter<true>();
  for (const bound of routes) {
    let trie = tries.get(bound.row.method);
    if (trie === undefined) tries.set(bound.row.method, trie = new TrieRouter());
    for (const path of pathsOf(bound.row)) {
      trie.add("ALL", path, bound);
      paths.add("ALL", path, true);
    }
  }
  return {
    match(method, path) {
      const trie = tries.get(method as Method);
      const [handlers = []] = trie?.match("ALL", path) as unknown as MatchResult ?? [];
      const found = handlers.length === 0 ? undefined : best(handlers);
      if (found !== undefined) return found;
      const [others] = paths.match("ALL", path) as unknown as [unknown[]];
      return others.length > 0 ? "method" : undefined;
    },
  };
}

type MatchResult = [[BoundRoute, Record<string, string>][], unknown?];

/** A literal path wins over one with parameters: /images/aliases over /images/{fingerprint}. */
function best(handlers: MatchResult[0]): Match {
  const ranked = handlers.toSorted((a, b) => braces(a[0].row) - braces(b[0].row));
  const [route, raw] = ranked[0] as MatchResult[0][number];
  const params = Object.fromEntries(
    Object.entries(raw).map(([key, value]) => [key, decoded(value)]),
  );
  return { route, params };
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch (error) {
    throw new Fault("bad_request", `invalid escape in the address: "${value}"`, { cause: error });
  }
}

function braces(row: RouteRow): number {
  return row.path.split("{").length;
}

function pathsOf(row: RouteRow): string[] {
  const path = row.path.replace(/\{(\w+)\}/g, ":$1");
  if (!path.startsWith("/1.0/instances")) return [path];
  return [path, ...ALIASES.map((alias) => path.replace("/instances", `/${alias}`))];
}
