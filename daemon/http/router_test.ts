import { type Method, route } from "#api/route.ts";
import assert from "node:assert/strict";
import { type BoundRoute, handle, sync } from "./handle.ts";
import { createRouter, type Match } from "./router.ts";

const row = (method: Method, path: string): BoundRoute =>
  handle(route({ method, path, summary: "", access: "trusted", reply: "sync" }), () => sync());

const router = createRouter([
  row("GET", "/1.0"),
  row("GET", "/1.0/images/{fingerprint}"),
  row("GET", "/1.0/images/aliases"),
  row("GET", "/1.0/images/aliases/{name}"),
  row("PUT", "/1.0/images/{fingerprint}"),
  row("GET", "/1.0/instances/{name}/snapshots/{snapshot}"),
]);

function found(method: string, path: string): readonly [string, Record<string, string>] {
  const match = router.match(method, path);
  assert.ok(typeof match === "object", `${method} ${path}: ${match}`);
  return [(match as Match).route.row.path, { ...(match as Match).params }];
}

Deno.test("router: a literal path wins over a parameter, wherever it stands in the list", () => {
  assert.deepEqual(found("GET", "/1.0/images/aliases"), ["/1.0/images/aliases", {}]);
  assert.deepEqual(found("GET", "/1.0/images/abc"), [
    "/1.0/images/{fingerprint}",
    { fingerprint: "abc" },
  ]);
});

Deno.test("router: paths of instances answer under their older names too", () => {
  for (const name of ["instances", "containers", "virtual-machines"]) {
    assert.deepEqual(found("GET", `/1.0/${name}/c1/snapshots/s0`), [
      "/1.0/instances/{name}/snapshots/{snapshot}",
      { name: "c1", snapshot: "s0" },
    ]);
  }
});

Deno.test("router: parameters are decoded once", () => {
  assert.deepEqual(found("GET", "/1.0/images/aliases/debian%2F12")[1], { name: "debian/12" });
  assert.deepEqual(found("GET", "/1.0/images/aliases/a%252Fb")[1], { name: "a%2Fb" });
});

Deno.test("router: a wrong escape is no crash", () => {
  const answer = () => router.match("GET", "/1.0/images/%zz");
  try {
    assert.notEqual(answer(), "method");
  } catch (error) {
    assert.equal((error as Error).name, "Fault");
  }
});

Deno.test("router: a wrong method is told from a wrong path", () => {
  assert.equal(router.match("DELETE", "/1.0"), "method");
  assert.equal(router.match("BREW", "/1.0"), "method");
  assert.equal(router.match("GET", "/2.0"), undefined);
  assert.equal(router.match("GET", "/1.0/images/a/b"), undefined);
  assert.equal(router.match("GET", "/1.0/images/"), undefined);
});
