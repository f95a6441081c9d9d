import { withRootPoolOf } from "./transfer.ts";
import assert from "node:assert/strict";

Deno.test("withRootPoolOf() leaves a refreshed copy on its pool, and takes all else from its source", () => {
  const root = (pool: string) => ({ type: "disk", path: "/", pool, size: "1GiB" });
  const data = { type: "disk", path: "/data", pool: "one", source: "v" };

  const devices = withRootPoolOf({ root: root("two"), data: { ...data, pool: "two" } }, {
    root: { ...root("one"), size: "2GiB" },
    data,
  });

  assert.deepEqual(devices, { root: { ...root("two"), size: "2GiB" }, data });
  assert.deepEqual(withRootPoolOf({}, { root: root("one") }), { root: root("one") });
  assert.deepEqual(withRootPoolOf({ root: root("two") }, {}), {});
});
