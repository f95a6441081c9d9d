import assert from "node:assert/strict";
import type { Volume } from "#daemon/storage/volume.ts";
import {
  buriedDataset,
  datasetName,
  hiddenSnapshot,
  isBuried,
  isHidden,
  restoredDataset,
  restoredTarget,
  snapshotName,
  userSnapshot,
} from "./names.ts";

const volume = (kind: Volume["kind"], name: string): Volume => ({
  kind,
  name,
  content: "filesystem",
});

Deno.test("datasetName() and snapshotName() are LXD's, in a zpool or below a dataset", () => {
  assert.equal(datasetName("tank", volume("container", "web")), "tank/containers/web");
  assert.equal(datasetName("tank/lxd", volume("custom", "p_v")), "tank/lxd/custom/p_v");
  assert.equal(
    snapshotName("tank", volume("container", "web"), "snap0"),
    "tank/containers/web@snapshot-snap0",
  );
});

Deno.test("datasetName() refuses what ZFS has no names for", () => {
  for (const name of ["a b", "a@b", "a/b", "%41", "ä", "a+b"]) {
    assert.throws(() => datasetName("tank", volume("custom", name)), /no datasets with the name/);
  }
  assert.throws(() => datasetName("tank", volume("custom", "x".repeat(250))), /too long/);
});

Deno.test("userSnapshot() knows users' snapshots from hidden ones", () => {
  assert.equal(userSnapshot("tank/custom/p_v@snapshot-a-b"), "a-b");
  assert.equal(userSnapshot("tank/images/cafe@readonly"), undefined);
  for (const why of ["copy", "deleted", "migration"] as const) {
    const name = hiddenSnapshot("tank/containers/web", why);
    assert.equal(userSnapshot(name), undefined);
    assert.ok(isHidden(name));
  }
  assert.ok(!isHidden("tank/containers/web@snapshot-copy-1"));
  assert.ok(!isHidden("tank/images/cafe@readonly"));
});

Deno.test("restoredTarget() is the inverse of restoredDataset(), colons and all", () => {
  for (const pool of ["tank", "tank/lxd"]) {
    const name = datasetName(pool, volume("custom", "p_a:b"));
    assert.equal(restoredTarget(pool, restoredDataset(pool, name)), name);
    assert.equal(restoredTarget(pool, name), undefined);
    assert.ok(isBuried(pool, buriedDataset(pool, name)));
    assert.ok(buriedDataset(pool, name).startsWith(`${pool}/deleted/custom/`));
  }
});
