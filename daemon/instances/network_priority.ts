/** limits.network.priority: cgroup v1 has a controller for it; v2 has none, and nothing happens. */
import { findInstanceById } from "#daemon/db/instances.ts";
import type { InstanceContext } from "./context.ts";
import type { Config } from "./record.ts";

/** Of everything that the container sends, on each of its interfaces. */
export async function applyNetworkPriority(
  ctx: InstanceContext,
  id: number,
  config: Config,
): Promise<void> {
  const directory = ctx.runtime.cgroups(id).get("net_prio");
  if (directory === undefined) return;
  const record = await ctx.db.read((tx) => findInstanceById(tx, id));
  for (const [name, device] of Object.entries(record?.expandedDevices ?? {})) {
    const hostName = record?.config[`volatile.${name}.host_name`] ?? "";
    if (device["type"] !== "nic" || hostName === "") continue;
    const line = `${hostName} ${config["limits.network.priority"] || "0"}`;
    await Deno.writeTextFile(`${directory}/net_prio.ifpriomap`, line, { create: false });
  }
}
