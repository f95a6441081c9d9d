import assert from "node:assert/strict";
import { filterChains } from "./filters.ts";

const common = { owner: "c1.eth0", link: "veth1", hwaddr: "00:16:3e:01:02:03" };

function rules(config: Record<string, string>, ipv4?: string, ipv6?: string): readonly string[] {
  return filterChains({ ...common, config, ipv4, ipv6 })[0]?.rules ?? [];
}

Deno.test("filterChains() filters what enters the host and what is forwarded alike", () => {
  const chains = filterChains({ ...common, config: {}, ipv4: undefined, ipv6: undefined });

  assert.deepEqual(chains.map(({ name }) => name), ["in.c1.eth0", "fwd.c1.eth0"]);
  assert.deepEqual(chains[0]?.rules, chains[1]?.rules);
});

Deno.test("filterChains() binds frames, ARP and neighbour advertisements to the MAC address", () => {
  assert.deepEqual(rules({ "security.mac_filtering": "true" }), [
    'iifname "veth1" ether saddr != 00:16:3e:01:02:03 drop',
    'iifname "veth1" ether type arp arp saddr ether != 00:16:3e:01:02:03 drop',
    'iifname "veth1" ether type ip6 icmpv6 type 136 @nh,528,48 != 0x00163e010203 drop',
  ]);
});

Deno.test("filterChains() lets its own address and routed subnets pass, and nothing else of IPv4", () => {
  const config = { "security.ipv4_filtering": "true", "ipv4.routes": "198.51.100.9/24" };
  const found = rules(config, "192.0.2.2").join("\n");

  assert.match(found, /ip saddr 192\.0\.2\.2 accept/);
  assert.match(found, /arp saddr ip 198\.51\.100\.0\/24 accept/);
  assert.match(found, /ether type ip drop/);
});

Deno.test("filterChains() drops a whole family that has no address", () => {
  const config = { "security.ipv4_filtering": "true", "security.ipv6_filtering": "true" };
  const found = rules(config, "none", "none").join("\n");

  assert.doesNotMatch(found, /accept/);
  assert.match(found, /ether type arp drop/);
  assert.match(found, /ether type ip6 drop/);
});

Deno.test("filterChains() matches the target of neighbour advertisements by prefix", () => {
  const config = { "security.ipv6_filtering": "true", "ipv6.routes": "2001:db8:2::/64" };
  const found = rules(config, undefined, "2001:db8:1::2").join("\n");

  assert.match(found, /@nh,384,128 0x20010db8000100000000000000000002 accept/);
  assert.match(found, /@nh,384,64 0x20010db800020000 accept/);
  assert.match(found, /icmpv6 type 134 drop/);
});
