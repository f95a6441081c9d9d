import type { AclRow, AclRule } from "#api/config/network_acl.ts";
import { parseSubnet } from "#base/ip.ts";
import assert from "node:assert/strict";
import { aclChains } from "./acl_rules.ts";
import type { Bridge } from "./bridge.ts";

function bridge(rules: Partial<AclRule>[], config: Record<string, string> = {}): Bridge {
  const egress = rules.map((rule) => ({ action: "allow", state: "enabled", ...rule }));
  const acl: AclRow = { id: 7, name: "web", description: "", ingress: [], egress, config: {} };
  return {
    name: "br0",
    config: { "security.acls": "web", ...config },
    directory: "/x",
    user: "nobody",
    acls: [acl],
    forwards: [],
    v4: parseSubnet("10.0.0.1/24"),
    v6: parseSubnet("fd42::1/64"),
  };
}

const rulesOf = (input: Bridge) =>
  aclChains(input).find(({ name }) => name === "acl.br0")?.rules ?? [];

Deno.test("aclChains() makes none for a network without ACLs", () => {
  const chains = aclChains({ ...bridge([]), config: {} });

  assert.deepEqual(chains, []);
});

Deno.test("aclChains() rejects what no rule allows, in both directions", () => {
  const rules = rulesOf(bridge([]));

  assert.deepEqual(rules, [
    "ct state established,related accept",
    'iifname "br0" reject',
    'oifname "br0" reject',
  ]);
});

Deno.test("aclChains() puts refusals before permissions", () => {
  const rules = rulesOf(bridge([{ action: "allow" }, { action: "drop", protocol: "tcp" }]));

  assert.deepEqual(rules.slice(1, 3), [
    'iifname "br0" meta l4proto tcp drop',
    'iifname "br0" accept',
  ]);
});

Deno.test("aclChains() splits a rule that names both families", () => {
  const rules = rulesOf(bridge([{
    destination: "192.0.2.0/24,2001:db8::1",
    protocol: "tcp",
    destination_port: "80,443",
  }]));

  assert.deepEqual(rules.slice(1, 3), [
    'iifname "br0" ip daddr { 192.0.2.0/24 } tcp dport { 80, 443 } accept',
    'iifname "br0" ip6 daddr { 2001:db8::1 } tcp dport { 80, 443 } accept',
  ]);
});

Deno.test("aclChains() leaves disabled rules out and names logged ones", () => {
  const rules = rulesOf(bridge([{ state: "disabled" }, { state: "logged", protocol: "icmp4" }]));

  assert.deepEqual(rules.slice(1, -2), [
    'iifname "br0" meta l4proto 1 log prefix "lxd_acl7-egress-1 " accept',
  ]);
});

Deno.test("aclChains() refuses groups, which only networks of type ovn know", () => {
  assert.throws(() => aclChains(bridge([{ source: "@internal" }])), /@internal/);
});
