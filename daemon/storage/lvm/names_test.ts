import assert from "node:assert/strict";
import type { Volume } from "#daemon/storage/volume.ts";
import { isOwnName, logicalName, parseLogicalName } from "./names.ts";

const volume = (kind: Volume["kind"], name: string, content: Volume["content"] = "filesystem") =>
  ({ kind, name, content }) as const;

Deno.test("logicalName() doubles dashes, so that the one before a snapshot is alone", () => {
  assert.equal(logicalName(volume("container", "web")), "containers_web");
  assert.equal(logicalName(volume("container", "a-b"), "snap-0"), "containers_a--b-snap--0");
  assert.equal(logicalName(volume("custom", "default_d", "block")), "custom_default_d.block");
});

Deno.test("parseLogicalName() is its inverse, for names that end with a dash too", () => {
  const names = ["a", "a-b", "a--b", "c1-", "p_a.b", "x+y"];
  for (const name of names) {
    for (const snapshot of [undefined, "s", "s-1", "s--2"]) {
      const one = volume("custom", name, "block");
      const parsed = parseLogicalName(logicalName(one, snapshot));
      assert.deepEqual(
        parsed,
        snapshot === undefined ? { volume: one } : { volume: one, snapshot },
      );
    }
  }
});

Deno.test("logicalName() refuses what LVM has no names for", () => {
  assert.throws(() => logicalName(volume("custom", "a:b")), /LVM has no volumes with the name/);
  assert.throws(() => logicalName(volume("custom", "x".repeat(130))), /too long/);
});

Deno.test("isOwnName() knows what a pool makes in a group that others use", () => {
  for (
    const name of ["containers_a", "custom_p_d.block", "images_cafe_ext4", "lxdtmp_1", "lxdnew_a"]
  ) {
    assert.ok(isOwnName(name), name);
  }
  for (const name of ["LXDThinPool", "root", "containers"]) assert.ok(!isOwnName(name), name);
});

Deno.test("parseLogicalName() leaves alone what is no volume", () => {
  for (const name of ["LXDThinPool", "images_cafe_ext4", "lxdtmp_1", "root"]) {
    assert.equal(parseLogicalName(name), undefined);
  }
});
