/** What this host must say to the configuration of a new instance, before anything is made. */
import { isTrue } from "#base/units.ts";
import { chooseIdmap } from "#daemon/idmap/choose.ts";
import type { InstanceContext } from "./context.ts";
import { checkHostRules } from "./host_rules.ts";
import { checkRawLxcLoads } from "./raw_lxc.ts";
import type { Config } from "./record.ts";
import { takenMaps } from "./id_maps.ts";

/** @throws {Fault} bad_request */
export async function checkNewOnHost(ctx: InstanceContext, config: Config): Promise<void> {
  checkHostRules(ctx.facts, config);
  await checkRawLxcLoads(config, {});
  if (!isTrue(config["security.idmap.isolated"])) return;
  // There must be ids for it now; the start chooses them.
  chooseIdmap(config, ctx.facts.idRange, await takenMaps(ctx, { id: -1 }));
}
