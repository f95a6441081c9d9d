import type { RouteRow } from "#api/route.ts";
import { createRouter } from "#daemon/http/router.ts";
import assert from "node:assert/strict";
import { allRoutes } from "./all.ts";

/** Handlers look at what they depend on when they are called, not when they are listed. */
const routes = allRoutes({} as never);
const nameOf = ({ method, path }: RouteRow) => `${method} ${path}`;

Deno.test("allRoutes() lists each method and path once", () => {
  const names = routes.map(({ row }) => nameOf(row));

  assert.deepEqual(names.filter((name, index) => names.indexOf(name) !== index), []);
});

Deno.test("allRoutes() are all found by the router, none hides another", () => {
  const router = createRouter(routes);
  for (const { row } of routes) {
    const match = router.match(row.method, row.path.replaceAll(/\{\w+\}/g, "x~1"));

    assert.ok(typeof match === "object", nameOf(row));
    assert.equal(nameOf(match.route.row), nameOf(row));
  }
});

Deno.test("allRoutes() give untrusted callers what is public or has a secret, no more", () => {
  const open = routes.filter(({ row }) => row.access === "anyone").map(({ row }) => nameOf(row));

  assert.deepEqual(open.toSorted(), [
    "GET /",
    "GET /1.0",
    "GET /1.0/images",
    "GET /1.0/images/aliases",
    "GET /1.0/images/aliases/{name}",
    "GET /1.0/images/{fingerprint}",
    "GET /1.0/images/{fingerprint}/export",
    "GET /1.0/operations/{id}/wait",
    "GET /1.0/operations/{id}/websocket",
    "POST /1.0/certificates",
    "POST /1.0/images",
  ]);
});

Deno.test("allRoutes() keep what is internal to the unix socket", () => {
  for (const { row } of routes.filter(({ row }) => row.path.startsWith("/internal"))) {
    assert.equal(row.access, "local", nameOf(row));
  }
});
