import assert from "node:assert/strict";
import { type AclRule, checkAclName, checkAclRules, normalRule } from "./network_acl.ts";

const NAMES = new Set(["web"]);

function check(rule: Partial<AclRule>): void {
  const full = normalRule({ action: "allow", state: "enabled", ...rule });
  checkAclRules({ ingress: [full], egress: [] }, NAMES);
}

Deno.test("checkAclName() refuses addresses and takes host names", () => {
  checkAclName("test-acl1");

  for (const name of ["192.168.1.1", "", "-x", "123", "a/b"]) {
    assert.throws(() => checkAclName(name), name);
  }
});

Deno.test("checkAclRules() takes addresses, ranges, subnets, ports and names of ACLs", () => {
  check({ source: "192.168.1.2/32", destination: "192.168.1.1-192.168.1.3", protocol: "tcp" });
  check({ source: "web", protocol: "udp", destination_port: "22, 2222-2223" });
  check({ protocol: "icmp6", icmp_type: "128", icmp_code: "0" });
});

Deno.test("checkAclRules() refuses what no firewall understands", () => {
  const wrong: Partial<AclRule>[] = [
    { action: "accept" },
    { state: "foo" },
    { source: "foo" },
    { destination: "10.0.0.9-10.0.0.1" },
    { protocol: "tcp", source_port: "foo" },
    { protocol: "tcp", destination_port: "999999999" },
    { destination_port: "80" },
    { protocol: "foo" },
    { protocol: "udp", icmp_code: "1" },
    { protocol: "icmp4", icmp_code: "256" },
    { protocol: "icmp6", icmp_type: "-1" },
    { protocol: "icmp4", source: "2001:db8::1" },
  ];

  for (const rule of wrong) assert.throws(() => check(rule), JSON.stringify(rule));
});

Deno.test("checkAclRules() refuses the same rule twice, whatever its blanks", () => {
  const rule = { action: "allow", state: "enabled", protocol: "tcp" };
  const one = normalRule({ ...rule, destination_port: "22, 23" });
  const two = normalRule({ ...rule, destination_port: "22,23", description: "again" });

  assert.throws(() => checkAclRules({ ingress: [one, two], egress: [] }, NAMES), /Duplicate/);
});
