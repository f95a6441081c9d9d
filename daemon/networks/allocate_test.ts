import assert from "node:assert/strict";
import { allocateAddress } from "./allocate.ts";

const V4 = { "ipv4.address": "192.0.2.1/24" };
const V6 = { "ipv6.address": "2001:db8:1::1/64", "ipv6.dhcp.stateful": "true" };
const MAC = "00:16:3e:92:f3:c1";
const common = { hwaddr: MAC, leases: "", taken: new Set<string>() };

Deno.test("allocateAddress() keeps the lease that the MAC address has", () => {
  const leases = `99 ${MAC} 192.0.2.77 c1 *\n`;

  assert.equal(allocateAddress({ ...common, config: V4, family: 4, leases }), "192.0.2.77");
});

Deno.test("allocateAddress() passes over the bridge, leases of others and known hosts", () => {
  const leases = "99 00:16:3e:00:00:01 192.0.2.2 c1 *\n";
  const taken = new Set(["192.0.2.3"]);

  assert.equal(allocateAddress({ ...common, config: V4, family: 4, leases, taken }), "192.0.2.4");
});

Deno.test("allocateAddress() stays within the ranges that are given out", () => {
  const config = { ...V4, "ipv4.dhcp.ranges": "192.0.2.100-192.0.2.101" };
  const leases = `99 ${MAC} 192.0.2.7 c1 *\n`;

  assert.equal(allocateAddress({ ...common, config, family: 4, leases }), "192.0.2.100");
});

Deno.test("allocateAddress() finds none in a full range and on a network without DHCP", () => {
  const config = { ...V4, "ipv4.dhcp.ranges": "192.0.2.100-192.0.2.100" };
  const taken = new Set(["192.0.2.100"]);

  assert.equal(allocateAddress({ ...common, config, family: 4, taken }), undefined);
  assert.equal(
    allocateAddress({ ...common, config: { ...V4, "ipv4.dhcp": "false" }, family: 4 }),
    undefined,
  );
});

Deno.test("allocateAddress() prefers the address that SLAAC would give, unless it is leased", () => {
  const own = "2001:db8:1:0:216:3eff:fe92:f3c1";
  const leases = "99 1875094469 2001:db8:1::216:3eff:fe92:f3c1 c1 00:02\n";

  assert.equal(allocateAddress({ ...common, config: V6, family: 6 }), own);
  assert.equal(allocateAddress({ ...common, config: V6, family: 6, leases }), "2001:db8:1::2");
});
