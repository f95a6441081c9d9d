import assert from "node:assert/strict";
import { contentBytesOf, decodeIndex, encodeIndex } from "./index_header.ts";

Deno.test("an index has the field names of LXD's encoder, and is read back", () => {
  const text = encodeIndex({
    volume: { name: "data", content_type: "block", config: { size: "8MiB" } },
    volume_snapshots: [{ name: "s0", description: "d", config: { "user.a": "1" } }],
  }, 4096);

  const { config } = JSON.parse(text);
  assert.deepEqual(Object.keys(config), ["Volume", "VolumeSnapshots"]);
  const saved = decodeIndex(text);
  assert.equal(saved?.volume?.contentType, "block");
  assert.deepEqual(saved?.volumeSnapshots, [
    { name: "s0", description: "d", expiresAt: "", config: { "user.a": "1" } },
  ]);
  assert.equal(decodeIndex("{}"), undefined);
  const bare = '{"config":{"Container":null,"Snapshots":null,"Pool":null,"Volume":{"name":"x"}}}';
  assert.deepEqual(decodeIndex(bare)?.snapshots, []);
  assert.equal(decodeIndex(bare)?.instance, undefined);
  assert.equal(decodeIndex(bare)?.name, "x");
});

Deno.test("contentBytesOf() what a sender says, and 0 of one that says nothing or nonsense", () => {
  assert.equal(contentBytesOf(encodeIndex({}, 4096)), 4096);
  assert.equal(contentBytesOf("{}"), 0);
  assert.equal(contentBytesOf('{"content_bytes": -1}'), 0);
  assert.equal(contentBytesOf('{"content_bytes": "x"}'), 0);
});
