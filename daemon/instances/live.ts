/** What a change of a key does to a running container. One function for each `live` word: no more, no less. */
import { findInstanceKey } from "#api/config/instance_config.ts";
import type { InstanceLive } from "#api/config/instance_key.ts";
import { Fault, messageOf } from "#base/errors.ts";
import { versionOf } from "#daemon/cgroup/layout.ts";
import { type CgroupWrite, type LimitGroup, planLimits } from "#daemon/cgroup/limits.ts";
import { runHelper } from "#daemon/host/helper.ts";
import { findInstanceById } from "#daemon/db/instances.ts";
import { confine, intercept } from "./confinement.ts";
import type { InstanceContext } from "./context.ts";
import { assertAnyCpu, freeCpuset, rebalance } from "./cpus.ts";
import { loadModules } from "./kernel_modules.ts";
import { applyNetworkPriority } from "./network_priority.ts";
import type { Config } from "./record.ts";

type Update = (ctx: InstanceContext, id: number, next: Config) => Promise<void>;

const UPDATES: Readonly<Record<InstanceLive, Update>> = {
  "cgroup.memory": limits("memory"),
  "cgroup.cpu": limits("cpu"),
  "cgroup.processes": limits("processes"),
  async "cgroup.hugepages"(ctx, id, next) {
    const asked = Object.keys(next).find((key) => key.startsWith("limits.hugepages.") && next[key]);
    if (asked !== undefined && versionOf(ctx.facts.layout, "hugetlb") === undefined) {
      throw new Fault("bad_request", `cannot apply ${asked}: this host has no hugetlb cgroups`, {
        hint: "A container that starts with it starts without the limit: lxc warning list tells.",
      });
    }
    await limits("hugepages")(ctx, id, next);
  },
  "cgroup.disk": limits("disk"),
  async "cgroup.cpuset"(ctx, id, next) {
    const wish = next["limits.cpu"] ?? "";
    if (wish === "") await freeCpuset(ctx, id);
    else assertAnyCpu(wish, ctx.facts.cpus);
  },
  async devlxd(ctx, id, next) {
    const state = ctx.runtime.state(id);
    if (!("pid" in state)) return;
    const isWanted = next["security.devlxd"] !== "false";
    const args = isWanted
      ? ["mount", `${state.pid}`, ctx.paths.at("devlxd"), "/dev/lxd"]
      : ["umount", `${state.pid}`, "/dev/lxd"];
    await runHelper(ctx.helper, args);
  },
  modules: (_ctx, _id, next) => loadModules(next),
  "network.priority": (ctx, id, next) => applyNetworkPriority(ctx, id, next),
  // Nesting too: its mounts under /dev/.lxc and its plain root come with the next start.
  apparmor: reloadProfile,
  async interception(ctx, id, next) {
    const record = await ctx.db.read((tx) => findInstanceById(tx, id));
    if (record !== undefined) await intercept(ctx, record, next);
  },
};

/** Which updates the changed keys of a configuration ask for. Pure. */
function liveUpdates(before: Config, after: Config): InstanceLive[] {
  const wanted = new Set<InstanceLive>();
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if ((before[key] ?? "") === (after[key] ?? "")) continue;
    const live = findInstanceKey(key)?.live;
    if (live !== undefined && live !== "restart" && live !== "nothing-to-do") wanted.add(live);
  }
  return [...wanted];
}

/** Apply them to a running container. @throws {Fault} bad_request with what the kernel refused. */
export async function applyLive(
  ctx: InstanceContext,
  id: number,
  before: Config,
  after: Config,
): Promise<void> {
  for (const update of liveUpdates(before, after)) await UPDATES[update](ctx, id, after);
}

/** After the database has the new limits: CPUs are shared by all running ones. */
export async function afterLive(
  ctx: InstanceContext,
  before: Config,
  after: Config,
): Promise<void> {
  if (liveUpdates(before, after).includes("cgroup.cpuset")) await rebalance(ctx);
}

async function reloadProfile(ctx: InstanceContext, id: number, next: Config): Promise<void> {
  const record = await ctx.db.read((tx) => findInstanceById(tx, id));
  if (record !== undefined) await confine(ctx, record, next);
}

function limits(group: LimitGroup): Update {
  return async (ctx, id, next) => {
    for (const write of planLimits(group, next, ctx.facts.limits, true)) {
      await writeCgroup(ctx, id, write);
    }
  };
}

/** One value of a running container. @throws {Fault} bad_request with what the kernel refused. */
export async function writeCgroup(
  ctx: InstanceContext,
  id: number,
  write: CgroupWrite,
): Promise<void> {
  const cgroups = ctx.runtime.cgroups(id);
  const directory = write.version === 2 ? cgroups.get("") : cgroups.get(write.controller);
  if (directory === undefined) return;
  try {
    await Deno.writeTextFile(`${directory}/${write.file}`, write.value, { create: false });
  } catch (error) {
    if (write.isOptional === true) return;
    throw new Fault(
      "bad_request",
      `cannot set ${write.file} to "${write.value}": ${messageOf(error)}`,
      { cause: error, hint: "The running container may use more than the new limit already." },
    );
  }
}
