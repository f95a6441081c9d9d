import type { LinkDriver } from "#ffi/libc/ethtool.ts";
import assert from "node:assert/strict";
import { linkFields } from "./link_modes.ts";

const driver: LinkDriver = {
  firmware: "3.1.100",
  permanentAddress: "00:23:a4:01:01:6f",
  hasLink: true,
  settings: {
    speedMbit: 10000,
    duplex: 1,
    port: 0,
    autoNegotiation: true,
    transceiver: 0,
    supported: [3, 5, 6, 7, 12, 13, 14, 47, 48],
  },
};

Deno.test("linkFields() says modes and ports in words", () => {
  assert.deepEqual(linkFields(driver), {
    supported_modes: [
      ...["100baseT/Full", "1000baseT/Full", "10000baseT/Full", "2500baseT/Full", "5000baseT/Full"],
    ],
    supported_ports: ["twisted pair"],
    port_type: "twisted pair",
    transceiver_type: "internal",
    auto_negotiation: true,
    link_detected: true,
    link_speed: 10000,
    link_duplex: "full",
  });
});

Deno.test("linkFields() says no speed without a link, and little without a driver", () => {
  const { link_speed, link_detected } = linkFields({ ...driver, hasLink: false });

  assert.deepEqual([link_speed, link_detected], [undefined, false]);
  assert.deepEqual(linkFields(undefined), { auto_negotiation: false, link_detected: false });
});
