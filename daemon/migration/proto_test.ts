import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeControl, decodeHeader, encodeControl, encodeHeader, type Header } from "./proto.ts";

const HEADER: Header = {
  fs: 0,
  isShifted: false,
  snapshotNames: ["snap0", "snäp"],
  snapshots: [{
    name: "snap0",
    config: { "user.a": "x".repeat(300) },
    devices: { root: { type: "disk", path: "/" } },
    profiles: ["default", "other"],
    isEphemeral: true,
    architecture: 2,
    createdAt: 1_700_000_000,
    expiresAt: -62_135_596_800,
  }],
  rsync: ["xattrs", "bidirectional"],
  refresh: true,
  volumeSize: 10 * 2 ** 30,
  indexVersion: 1,
};

Deno.test("a header survives the wire, with times that are none", () => {
  assert.deepEqual(decodeHeader(encodeHeader(HEADER)), HEADER);
});

Deno.test("a control message is what protobuf's own encoder makes of it", () => {
  assert.deepEqual([...encodeControl({ success: true, message: "" })], [8, 1]);
  assert.deepEqual([...encodeControl({ success: false, message: "no" })], [8, 0, 18, 2, 110, 111]);
  assert.deepEqual(decodeControl(new Uint8Array([8, 0, 18, 2, 110, 111])), {
    success: false,
    message: "no",
  });
});

Deno.test("whatever arrives is decoded or refused with a Fault", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    try {
      decodeHeader(bytes);
    } catch (error) {
      assert.equal((error as Error).name, "Fault");
    }
  }));
});
