import assert from "node:assert/strict";
import { firewallsAgainst, LEGACY_TABLE } from "./foreign_firewall.ts";
import { legacyObjects } from "./legacy_firewall.ts";

const against = (...lines: string[]) =>
  firewallsAgainst(legacyObjects("ip", lines.join("\n")), "br0", ["ip"]).map(({ chain }) => chain);

Deno.test("legacyObjects() are what is judged as rules of nft are", () => {
  const rules = ["rule\tdocker0\t\tsome\taccept", "rule\t\t\tsome\taccept", "rule\t\t\tall\tother"];

  assert.deepEqual(against(...rules, "policy\tdrop", "chain\tDOCKER-USER"), ["FORWARD"]);
  assert.deepEqual(against(...rules, "policy\taccept"), []);
  for (const rule of ["br0\t\tsome\taccept", "\tbr+\tsome\tjump", "\t\tall\taccept"]) {
    assert.deepEqual(against("policy\tdrop", `rule\t${rule}`), [], rule);
  }
  assert.deepEqual(legacyObjects("ip6", ""), []);
  assert.deepEqual(legacyObjects("ip6", "chain\tDOCKER-USER\n"), [
    { chain: { family: "ip6", table: LEGACY_TABLE, name: "DOCKER-USER" } },
  ]);
});
