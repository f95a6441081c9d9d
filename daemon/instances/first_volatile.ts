/** What a new instance begins its life with: its times and volatile keys. Pure but for random ids. */
import { INSTANCE_ID } from "./cloud_init.ts";
import { ON_DISK } from "./id_maps.ts";
import type { CreationPlan } from "./plan_creation.ts";
import type { Config } from "./record.ts";

/** ISO 8601, UTC; what is moved or imported keeps its own. */
export function createdAtOf({ source }: CreationPlan): string {
  if (source.kind === "copy" && source.isMove) return source.instance.createdAt;
  const saved = source.kind === "filled" ? source.saved.instance?.createdAt : undefined;
  return saved ?? new Date().toISOString();
}

/**
 * No id map is chosen yet, and none is applied to the files; what the new instance is made from may
 * say otherwise. Said from the beginning: other servers refuse an update that lacks these keys.
 */
export const NO_MAP: Config = {
  "volatile.idmap.base": "0",
  [ON_DISK]: "[]",
};

/** A moved one keeps what it has; a copy is another machine: it gets new ids. */
export function firstVolatile(plan: CreationPlan): Config {
  if (plan.source.kind === "copy" && plan.source.isMove) return {};
  if (plan.source.kind === "filled") {
    const { ["volatile.uuid"]: uuid = crypto.randomUUID() } = plan.config;
    return { "volatile.uuid": uuid, "volatile.last_state.power": "STOPPED" };
  }
  const instanceId = crypto.randomUUID();
  return {
    "volatile.uuid": crypto.randomUUID(),
    [INSTANCE_ID]: instanceId,
    ...(plan.source.kind === "image" && { "volatile.apply_template": "create" }),
    ...(plan.source.kind === "copy" && { "volatile.apply_template": "copy" }),
  };
}
