import assert from "node:assert/strict";
import { expandConfig, expandDevices, findRootDisk, snapshotRootOn } from "./expand.ts";

const layer = (config = {}, devices = {}) => ({ config, devices });

Deno.test("expandConfig() lets later profiles and local values win", () => {
  const result = expandConfig(
    [layer({ a: "1", b: "1", "volatile.uuid": "x" }), layer({ b: "2" })],
    { c: "3" },
  );

  assert.deepEqual(result, { a: "1", b: "2", c: "3" });
});

Deno.test("expandDevices() replaces a device as a whole", () => {
  const result = expandDevices(
    [layer({}, { eth0: { type: "nic", network: "br0", name: "eth0" } })],
    { eth0: { type: "none" } },
  );

  assert.deepEqual(result, { eth0: { type: "none" } });
});

Deno.test("findRootDisk() finds the disk at / that has a pool", () => {
  const root = { type: "disk", path: "/", pool: "default" };

  assert.equal(
    findRootDisk({ x: { type: "disk", path: "/", source: "/srv" }, root })?.name,
    "root",
  );
  assert.equal(findRootDisk({ x: { type: "disk", path: "/mnt", pool: "p" } }), undefined);
});

Deno.test("findRootDisk() takes the local one of two", () => {
  const disk = (pool: string) => ({ type: "disk", path: "/", pool });
  const devices = expandDevices([layer({}, { shared: disk("p1") })], { own: disk("p2") });

  assert.equal(findRootDisk(devices)?.config["pool"], "p2");
});

Deno.test("snapshotRootOn() keeps the root disk of a snapshot in the pool of its instance", () => {
  const disk = (pool: string, more = {}) => ({ type: "disk", path: "/", pool, ...more });
  const layers = [
    { name: "default", ...layer({}, { root: disk("p1", { size: "1GiB" }) }) },
    { name: "other", ...layer({}, { root: disk("p2") }) },
  ];
  const on = (pool: string, profiles: string[], devices = {}) =>
    snapshotRootOn({ devices, profiles }, layers, pool);

  assert.deepEqual(on("p1", ["default"]), {});
  assert.deepEqual(on("p2", ["default"]), { root: disk("p2", { size: "1GiB" }) });
  assert.deepEqual(on("p2", ["default", "other"]), {});
  assert.deepEqual(on("p2", ["gone"]), { root: disk("p2") });
  assert.deepEqual(on("p2", ["default"], { own: disk("p3") }), { own: disk("p2") });
});
