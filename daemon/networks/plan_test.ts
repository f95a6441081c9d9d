import assert from "node:assert/strict";
import { planNetwork } from "./plan.ts";

function plan(config: Record<string, string>) {
  return planNetwork({
    name: "br0",
    config,
    directory: "/n/br0",
    user: "nobody",
    acls: [],
    forwards: [],
  });
}

const V4 = { "ipv4.address": "10.1.2.1/24" };
const V6 = { "ipv6.address": "fd42::1/64" };

Deno.test("planNetwork() wants no dnsmasq without an address, and no router of IPv6", () => {
  const { dnsmasq, addresses, sysctls } = plan({});

  assert.equal(dnsmasq, undefined);
  assert.deepEqual(addresses, []);
  assert.deepEqual(sysctls, [["net/ipv6/conf/br0/disable_ipv6", "1"]]);
});

Deno.test("planNetwork() gives out the whole subnet, its ranges, for as long as told", () => {
  const whole = plan(V4).dnsmasq ?? [];
  const told = plan({
    ...V4,
    "ipv4.dhcp.ranges": "10.1.2.50-10.1.2.60",
    "ipv4.dhcp.expiry": "5m",
    "ipv4.dhcp.gateway": "10.1.2.9",
    "dns.search": "a.example, b.example",
  }).dnsmasq ?? [];

  assert.ok(whole.includes("--dhcp-range=10.1.2.2,10.1.2.254,1h"));
  assert.ok(told.includes("--dhcp-range=10.1.2.50,10.1.2.60,5m"));
  assert.ok(told.includes("--dhcp-option-force=3,10.1.2.9"));
  assert.ok(told.includes("--dhcp-option-force=119,a.example,b.example"));
});

Deno.test("planNetwork() serves IPv6 statelessly, statefully, or announces the router only", () => {
  const options = (config: Record<string, string>) => plan({ ...V6, ...config }).dnsmasq ?? [];

  assert.ok(options({}).includes("--dhcp-range=::,constructor:br0,ra-stateless,ra-names"));
  assert.ok(
    options({ "ipv6.dhcp.stateful": "true" }).some((one) => one.startsWith("--dhcp-range=fd42::")),
  );
  assert.ok(options({ "ipv6.dhcp": "false" }).includes("--dhcp-range=::,constructor:br0,ra-only"));
});

Deno.test("planNetwork() hides the network behind the host or behind an address", () => {
  const masked = plan({ ...V4, "ipv4.nat": "true" }).nft;
  const told = plan({ ...V4, "ipv4.nat": "true", "ipv4.nat.address": "192.0.2.7" }).nft;

  assert.match(masked, /ip saddr 10\.1\.2\.0\/24 ip daddr != 10\.1\.2\.0\/24 masquerade/);
  assert.match(told, /snat ip to 192\.0\.2\.7/);
});

Deno.test("planNetwork() forwards, rejects, or leaves that to others", () => {
  const rule = /meta nfproto ipv4 iifname "br0" (\w+)/;

  assert.equal(rule.exec(plan(V4).nft)?.[1], "accept");
  assert.equal(rule.exec(plan({ ...V4, "ipv4.routing": "false" }).nft)?.[1], "reject");
  assert.equal(rule.exec(plan({ ...V4, "ipv4.firewall": "false" }).nft), null);
});

Deno.test("planNetwork() writes no rules for families whose firewall is off", () => {
  const without = (...families: string[]) => {
    const off = Object.fromEntries(families.map((family) => [`${family}.firewall`, "false"]));
    return plan({ ...V4, ...V6, "ipv4.nat": "true", ...off }).nft;
  };

  assert.doesNotMatch(without("ipv4"), /icmp type|dport 67|nfproto ipv4/);
  assert.match(without("ipv4"), /udp dport 53 accept[^]*udp dport 547 accept/);
  assert.doesNotMatch(without("ipv4", "ipv6"), /accept$/m);
  assert.match(without("ipv4", "ipv6"), /masquerade/);
});

Deno.test("planNetwork() makes the MTU fit the narrowest tunnel, unless one is set", () => {
  const tunnel = { "tunnel.a.protocol": "vxlan", "tunnel.b.protocol": "gre" };
  const ends = { "tunnel.b.local": "192.0.2.1", "tunnel.b.remote": "192.0.2.2" };

  assert.equal(plan({}).mtu, "1500");
  assert.equal(plan({ "tunnel.a.protocol": "vxlan" }).mtu, "1450");
  assert.equal(plan({ ...tunnel, ...ends }).mtu, "1400");
  assert.equal(plan({ ...tunnel, ...ends, "bridge.mtu": "9000" }).mtu, "9000");
});

Deno.test("planNetwork() builds tunnels with what they need", () => {
  const config = {
    "tunnel.a.protocol": "vxlan",
    "tunnel.a.id": "7",
    "tunnel.a.interface": "eth9",
    "tunnel.a.ttl": "5",
  };

  assert.deepEqual(plan(config).tunnels, [{
    link: "br0-a",
    protocol: "vxlan",
    arguments: [
      ...["type", "vxlan", "id", "7", "group", "239.0.0.1", "dev", "eth9"],
      ...["dstport", "0", "ttl", "5"],
    ],
  }]);
});
