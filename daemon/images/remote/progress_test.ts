import assert from "node:assert/strict";
import { createProgress, progressText } from "./progress.ts";

Deno.test("progressText() shows percent and speed, megabytes where the total is unknown", () => {
  assert.equal(
    progressText({ part: "rootfs", bytes: 12e6, total: 100e6 }, 4000),
    "rootfs: 12% (3.00MB/s)",
  );
  assert.equal(
    progressText({ part: "rootfs", bytes: 12e6, total: 0 }, 0),
    "rootfs: 12MB (0.00MB/s)",
  );
});

Deno.test("createProgress() tells everybody who waits for the download, a few times a second", () => {
  let clock = 0;
  const progress = createProgress(() => clock);
  const heard: string[] = [];
  using _one = progress.listen("a", (text) => heard.push(`1 ${text}`));
  const two = progress.listen("a", (text) => heard.push(`2 ${text}`));
  using _other = progress.listen("b", (text) => heard.push(`b ${text}`));

  progress.note("a", { part: "rootfs", bytes: 1, total: 4 });
  clock += 50;
  progress.note("a", { part: "rootfs", bytes: 2, total: 4 });
  two[Symbol.dispose]();
  progress.note("a", { part: "rootfs", bytes: 4, total: 4 });

  assert.deepEqual(heard.map((text) => text.slice(0, 13)), [
    "1 rootfs: 25%",
    "2 rootfs: 25%",
    "1 rootfs: 100",
  ]);
});
