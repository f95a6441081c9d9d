import assert from "node:assert/strict";
import {
  firewallsAgainst,
  firewallText,
  LEGACY_TABLE,
  type NftObject,
} from "./foreign_firewall.ts";

const chain = (name: string, more = {}): NftObject => ({
  chain: { family: "ip", table: "filter", name, ...more },
});
const DROPPING = chain("FORWARD", { hook: "forward", policy: "drop" });
const rule = (...expr: object[]): NftObject => ({ rule: { family: "ip", table: "filter", expr } });
const via = (right: unknown, key = "iifname") => ({ match: { left: { meta: { key } }, right } });
const against = (...more: NftObject[]) => firewallsAgainst([DROPPING, ...more], "br0", ["ip"]);

Deno.test("firewallsAgainst() finds a policy that drops, for the families of the bridge", () => {
  const found = { family: "ip", table: "filter", chain: "FORWARD", hasDockerUser: false };
  assert.deepEqual(against(), [found]);
  assert.deepEqual(against(chain("DOCKER-USER")), [{ ...found, hasDockerUser: true }]);
  assert.deepEqual(firewallsAgainst([DROPPING], "br0", ["ip6"]), []);
  const [accepting, input] = [{ hook: "forward", policy: "accept" }, {
    hook: "input",
    policy: "drop",
  }];
  assert.deepEqual(firewallsAgainst([chain("a", accepting), chain("b", input)], "br0", ["ip"]), []);
});

Deno.test("firewallsAgainst() is content when a rule lets the bridge pass", () => {
  for (const right of ["br0", "br*", { set: ["eth0", "br0"] }]) {
    assert.deepEqual(against(rule(via(right), { accept: null })), []);
    assert.deepEqual(against(rule(via(right, "oifname"), { jump: { target: "x" } })), []);
  }
  assert.deepEqual(against(rule({ counter: null }, { accept: null })), []);
});

Deno.test("firewallsAgainst() is not content with rules about others, or that drop", () => {
  for (const expr of [[via("br1"), { accept: null }], [via("br0"), { drop: null }]]) {
    assert.equal(against(rule(...expr)).length, 1);
  }
  assert.equal(against(rule({ counter: null }, { jump: { target: "DOCKER-USER" } })).length, 1);
});

Deno.test("firewallText() names Docker's own chain where there is one", () => {
  const found = { family: "ip", table: "filter", chain: "FORWARD" };
  assert.match(
    firewallText("br0", { ...found, hasDockerUser: true }),
    /filter DOCKER-USER iifname br0/,
  );
  assert.match(
    firewallText("br0", { ...found, hasDockerUser: false }),
    /filter FORWARD iifname br0/,
  );
});

Deno.test("firewallText() names iptables-legacy where nft does not see the chain", () => {
  const found = { family: "ip6", table: LEGACY_TABLE, chain: "FORWARD", hasDockerUser: false };
  assert.match(firewallText("br0", found), /ip6tables-legacy -I FORWARD -i br0 -j ACCEPT; /);
  assert.match(
    firewallText("br0", { ...found, family: "ip", hasDockerUser: true }),
    /: iptables-legacy -I DOCKER-USER -i br0 -j ACCEPT; /,
  );
});
