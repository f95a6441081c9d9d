import type { AclRow } from "#api/config/network_acl.ts";
import assert from "node:assert/strict";
import { parseAclLine } from "./acl_log.ts";

const ACL = {
  ...{ id: 3, name: "web", description: "", config: {} },
  ingress: [],
  egress: [{ action: "reject", state: "logged" }, { action: "allow", state: "logged" }],
} as unknown as AclRow;
const AT = "2026-11-26T09:43:06,742985+00:00";
const PACKET = "IN=br0 OUT=eth0 MAC=00:16 SRC=192.0.2.9 DST=198.51.100.1 LEN=60 TTL=63 DF ";

Deno.test("parseAclLine() says what passed, in LXD's words", () => {
  assert.deepEqual(
    parseAclLine(`${AT} lxd_acl3-egress-1 ${PACKET}PROTO=TCP SPT=40000 DPT=443 SYN`, ACL),
    {
      ...{ time: "2026-11-26T09:43:06.742Z", proto: "tcp", src: "192.0.2.9", dst: "198.51.100.1" },
      ...{ src_port: "40000", dst_port: "443", action: "allow" },
    },
  );
});

Deno.test("parseAclLine() is not led astray by the packet that an ICMP error quotes", () => {
  const quoted = "[SRC=1.2.3.4 DST=5.6.7.8 PROTO=UDP SPT=1 DPT=2 ] ";
  const line = `${AT} lxd_acl3-egress-0 ${PACKET}PROTO=ICMP TYPE=3 CODE=1 ${quoted}`;

  const entry = parseAclLine(line, ACL);

  assert.deepEqual(
    [entry?.proto, entry?.src, entry?.icmp_type, entry?.icmp_code, entry?.src_port],
    [
      ...["icmp", "192.0.2.9", "3", "1", undefined],
    ],
  );
  assert.equal(entry?.action, "reject");
});

Deno.test("parseAclLine() leaves lines of others and of rules that are gone", () => {
  for (const head of ["lxd_acl33-egress-0", "lxd_acl3-ingress-0", "lxd_acl3-egress-7", "eth0:"]) {
    assert.equal(parseAclLine(`${AT} ${head} ${PACKET}PROTO=TCP`, ACL), undefined);
  }
});
