import assert from "node:assert/strict";
import { Fault } from "#base/errors.ts";
import { INSTANCE_STREAMS, parseHeader, streamFile, VOLUME_STREAMS } from "./optimized.ts";

Deno.test("streamFile() names streams as LXD does", () => {
  const file = (path: string, snapshot = "") =>
    streamFile(INSTANCE_STREAMS, { path, snapshot, isReadOnly: false });

  assert.equal(file(""), "backup/container.bin");
  assert.equal(file("rootfs/a-b"), "backup/container_rootfs-a--b.bin");
  assert.equal(file("", "snap0"), "backup/snapshots/snap0.bin");
  assert.equal(file("rootfs/a", "snap0"), "backup/snapshots/snap0_rootfs-a.bin");
  const volume = { path: "", snapshot: "s", isReadOnly: false };
  assert.equal(streamFile(VOLUME_STREAMS, volume), "backup/volume-snapshots/s.bin");
});

Deno.test("parseHeader() takes LXD's header, and no path that leads out of the volume", () => {
  const header = (path: string, snapshot = "") =>
    `subvolumes:\n- path: ${path}\n  snapshot: "${snapshot}"\n  readonly: true\n  uuid: ""\n`;

  assert.deepEqual(parseHeader(header("/rootfs/a", "s0")), [
    { path: "rootfs/a", snapshot: "s0", isReadOnly: true },
  ]);
  assert.deepEqual(parseHeader(header("/"))[0]?.path, "");
  for (const path of ["rootfs", "/../x", "/a//b", "/a/./b", '""']) {
    assert.throws(() => parseHeader(header(path)), Fault, path);
  }
  assert.throws(() => parseHeader(header("/", "a/b")), Fault);
  assert.throws(() => parseHeader("[]"), Fault);
});
