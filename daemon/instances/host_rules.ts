/** Rules for a configuration that depend on this host: its range of ids, its administrator's wish. Pure. */
import { Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import { parseRawIdmap } from "#daemon/idmap/choose.ts";
import type { HostFacts } from "./facts.ts";
import type { Config } from "./record.ts";

type RuleFacts = Pick<HostFacts, "idRange" | "isUnprivilegedOnly">;

/** @throws {Fault} bad_request */
export function checkHostRules(facts: RuleFacts, config: Config): void {
  if (facts.isUnprivilegedOnly) checkUnprivileged(config);
  checkRawIdmap(facts, config["raw.idmap"] ?? "");
}

function checkUnprivileged(config: Config): void {
  const takesOver = /^\s*lxc\.(idmap|id_map|include)\s*=/m.test(config["raw.lxc"] ?? "");
  if (!isTrue(config["security.privileged"]) && (config["raw.idmap"] ?? "") === "" && !takesOver) {
    return;
  }
  throw new Fault("bad_request", "LXD was configured to only allow unprivileged containers", {
    hint: "security.privileged, raw.idmap and lxc.idmap or lxc.include in raw.lxc are refused.",
  });
}

/** Ids that other containers have must not be given away. */
function checkRawIdmap({ idRange }: RuleFacts, text: string): void {
  for (const { isUid, hostId, size } of parseRawIdmap(text)) {
    const { base, size: rangeSize } = isUid ? idRange.uid : idRange.gid;
    if (hostId + size <= base || hostId >= base + rangeSize) continue;
    throw new Fault("bad_request", `Host ID is in the range of subids: ${hostId}`, {
      hint: `raw.idmap may not use ${base} to ${base + rangeSize - 1}: containers have them.`,
    });
  }
}
