import assert from "node:assert/strict";
import { checkHostRules, checkImageNeeds } from "./host_rules.ts";

const range = { base: 1_000_000, size: 65_536 };
const facts = { idRange: { uid: range, gid: range }, isUnprivilegedOnly: false };

Deno.test("checkHostRules() refuses a raw.idmap with ids that are mapped anyway", () => {
  assert.throws(() => checkHostRules(facts, { "raw.idmap": "uid 1000001 5" }), /range of subids/);
  assert.throws(() => checkHostRules(facts, { "raw.idmap": "both 999990-1000000 0-10" }), /subids/);

  checkHostRules(facts, { "raw.idmap": "both 1000 1000\ngid 999999 5" });
  const isolated = { "security.idmap.isolated": "true", "raw.idmap": "uid 1000001 5" };
  checkHostRules(facts, isolated);
  const taken = { ...isolated, "volatile.idmap.base": "990000" };
  assert.throws(() => checkHostRules(facts, taken), /range of subids: 1000001/);
});

Deno.test("checkHostRules() lets no privileged container in where the host forbids them", () => {
  const strict = { ...facts, isUnprivilegedOnly: true };
  const refused: Record<string, string>[] = [
    { "security.privileged": "true" },
    { "raw.idmap": "both 0 1000" },
    { "raw.lxc": "lxc.idmap=" },
    { "raw.lxc": "# x\n lxc.include = /etc/x" },
  ];
  for (const config of refused) {
    assert.throws(() => checkHostRules(strict, config), /only allow unprivileged/);
    checkHostRules(facts, config);
  }

  checkHostRules(strict, { "security.privileged": "false", "raw.lxc": "lxc.tty.max = 1" });
});

Deno.test("checkImageNeeds() refuses an image for cgroup v1 where there is only v2", () => {
  const v2 = { v1: {}, v2: "/sys/fs/cgroup", v2Controllers: ["memory"] };
  const hybrid = { ...v2, v1: { memory: "/sys/fs/cgroup/memory" } };
  const config = { "image.requirements.cgroup": "v1" };
  assert.throws(() => checkImageNeeds(v2, config), /requires a CGroupV1 host/);

  checkImageNeeds(hybrid, config);
  checkImageNeeds(v2, { "image.os": "Debian" });
});
