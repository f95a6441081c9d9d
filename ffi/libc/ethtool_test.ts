import assert from "node:assert/strict";
import { parseFirmware, parseLinkSettings, readLinkDriver } from "./ethtool.ts";

Deno.test("parseLinkSettings() reads the struct and the bits that are set", () => {
  const view = new DataView(new ArrayBuffer(48 + 3 * 3 * 4));
  view.setUint32(4, 2500, true);
  view.setUint8(8, 1);
  view.setUint8(9, 3);
  view.setUint8(11, 1);
  view.setInt8(15, 3);
  view.setUint8(16, 1);
  view.setUint32(48, 1 << 10 | 1 << 31, true);
  view.setUint32(48 + 8, 1, true);

  assert.deepEqual(parseLinkSettings(view), {
    speedMbit: 2500,
    duplex: 1,
    port: 3,
    autoNegotiation: true,
    transceiver: 1,
    supported: [10, 31, 64],
  });
});

Deno.test("parseFirmware() reads the third text of the struct, to its end", () => {
  const bytes = new Uint8Array(196);
  for (const [at, text] of [[4, "igb"], [36, "5.6.0-k"], [68, "1.63, 0x800009fa"]] as const) {
    bytes.set(new TextEncoder().encode(text), at);
  }

  assert.equal(parseFirmware(new DataView(bytes.buffer)), "1.63, 0x800009fa");
});

Deno.test("readLinkDriver() knows that lo has a link, and nothing of what is not there", () => {
  assert.equal(readLinkDriver("lo")?.hasLink, true);
  assert.equal(readLinkDriver("nothing-there"), undefined);
  assert.equal(readLinkDriver("a-name-of-more-than-16"), undefined);
});
