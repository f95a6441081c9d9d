/** Rules for a configuration that depend on this host: its range of ids, its administrator's wish. Pure. */
import { Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import type { CgroupLayout } from "#daemon/cgroup/layout.ts";
import { isolatedSize, parseRawIdmap } from "#daemon/idmap/choose.ts";
import type { HostFacts } from "./facts.ts";
import type { Config } from "./record.ts";

/**
 * Can what the image needs be had here? Its properties say so ("requirements.cgroup"), and are in the
 * instance's configuration as image.*.
 *
 * @throws {Fault} bad_request
 */
export function checkImageNeeds(layout: CgroupLayout, config: Config): void {
  if (config["image.requirements.cgroup"] !== "v1" || Object.keys(layout.v1).length > 0) return;
  throw new Fault(
    "bad_request",
    "The image used by this instance requires a CGroupV1 host system",
    { hint: "Use a newer image, or boot the host with systemd.unified_cgroup_hierarchy=0." },
  );
}

type RuleFacts = Pick<HostFacts, "idRange" | "isUnprivilegedOnly">;

/** @throws {Fault} bad_request */
export function checkHostRules(facts: RuleFacts, config: Config): void {
  if (facts.isUnprivilegedOnly) checkUnprivileged(config);
  checkRawIdmap(facts, config);
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

/** An id of the host may stand for one id inside, not two. */
function checkRawIdmap(facts: RuleFacts, config: Config): void {
  for (const { isUid, hostId, size } of parseRawIdmap(config["raw.idmap"] ?? "")) {
    const own = ownRange(isUid ? facts.idRange.uid : facts.idRange.gid, config);
    if (hostId + size <= own.base || hostId >= own.base + own.size) continue;
    throw new Fault("bad_request", `Host ID is in the range of subids: ${hostId}`, {
      hint: `raw.idmap may not use ${own.base} to ${own.base + own.size - 1}: they are mapped.`,
    });
  }
}

/** The ids that the container has anyway; none if an isolated range is still to be chosen. */
function ownRange(whole: { base: number; size: number }, config: Config) {
  if (!isTrue(config["security.idmap.isolated"])) return whole;
  const base = Number(config["security.idmap.base"] || config["volatile.idmap.base"] || 0);
  return base === 0 ? { base: 0, size: 0 } : { base, size: isolatedSize(config) };
}
