import assert from "node:assert/strict";
import { parseInstance } from "./instance_name.ts";

Deno.test("parseInstance() does not take one snapshot for another whose name goes on", () => {
  assert.deepEqual(parseInstance("web"), {
    instance: "web",
    snapshot: undefined,
    url: "/1.0/instances/web",
  });
  assert.equal(parseInstance("web/snap0").url, "/1.0/instances/web/snapshots/snap0");
  assert.equal(parseInstance("web/snap0/x").url, "/1.0/instances/web/snapshots/snap0%2Fx");
});
