import assert from "node:assert/strict";
import { procsOf } from "./expect_move.ts";

const layout = { v1: { memory: "/cg/memory" }, v2: "/cg/unified", v2Controllers: [] };

Deno.test("procsOf() finds a file that both kinds of hierarchies have", () => {
  assert.equal(procsOf(layout, "0::/\n"), "/cg/unified/cgroup.procs");
  assert.equal(procsOf(layout, "4:memory:/a/b\n0::/\n"), "/cg/memory/a/b/cgroup.procs");
  assert.equal(procsOf(layout, "9:name=systemd:/x\n0::/user\n"), "/cg/unified/user/cgroup.procs");
  assert.equal(procsOf({ ...layout, v2: undefined }, "0::/\n"), undefined);
});
