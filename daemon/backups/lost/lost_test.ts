import { parseBackupYaml } from "#daemon/backups/index.ts";
import assert from "node:assert/strict";
import { snapshotsOf } from "./records.ts";
import { type LostInstance, parseName } from "./scan.ts";

Deno.test("parseName() takes the project off, whose name has no underscore", () => {
  assert.deepEqual(parseName("web", "default"), { project: "default", name: "web" });
  assert.deepEqual(parseName("shop_web", "default"), { project: "shop", name: "web" });
  assert.deepEqual(parseName("shop_my_data", ""), { project: "shop", name: "my_data" });
});

Deno.test("snapshotsOf() are those on disk; one without a description is like the instance", () => {
  const saved = parseBackupYaml(
    "container:\n  name: web\n  config:\n    user.x: '1'\n" +
      "snapshots:\n- name: b\n  config:\n    user.x: '0'\n- name: gone\n- name: a\n",
  ) as LostInstance["saved"];

  const found = snapshotsOf({ saved, snapshots: ["a", "b", "c"] });

  assert.deepEqual(found.map(({ name, config }) => [name, config["user.x"]]), [
    ["b", "0"],
    ["a", undefined],
    ["c", "1"],
  ]);
});
