import assert from "node:assert/strict";
import { parseVpd } from "./vpd.ts";

const bytes = (...parts: (string | number)[]) =>
  new Uint8Array(
    parts.flatMap((one) => typeof one === "number" ? [one] : [...new TextEncoder().encode(one)]),
  );

Deno.test("parseVpd() tells the name and the fields, not checksum and room", () => {
  const vpd = parseVpd(
    bytes(0x82, 3, 0, "NIC", 0x90, 12, 0, "PN", 2, "42", "RV", 4, 0, 0, 0, 0, 0x78, "garbage"),
  );

  assert.deepEqual(vpd, { product_name: "NIC", entries: { PN: "42" } });
});

Deno.test("parseVpd() ends where the data does: cut off, empty, all ones", () => {
  assert.deepEqual(parseVpd(bytes()), {});
  assert.deepEqual(parseVpd(bytes(0x82, 9, 0, "cut")), { product_name: "cut" });
  assert.deepEqual(parseVpd(bytes(0x90, 5, 0, "PN", 9, "4")), { entries: { PN: "4" } });
  assert.deepEqual(parseVpd(new Uint8Array(64).fill(0xff)), {});
});
