/** CPUs of running containers: balanced anew when one comes, goes or changes its limit. */
import { Fault } from "#base/errors.ts";
import { versionOf } from "#daemon/cgroup/layout.ts";
import {
  balance,
  type CpuUser,
  formatCpuList,
  isPinned,
  parseCpuList,
} from "#daemon/cgroup/cpuset.ts";
import { listInstances } from "#daemon/db/instances.ts";
import type { InstanceContext } from "./context.ts";
import type { InstanceRecord } from "./record.ts";

/**
 * A set of CPUs that this host has none of would pin to nothing.
 *
 * @throws {Fault} bad_request with the CPUs that are there.
 */
export function assertAnyCpu(wish: string, cpus: readonly number[]): void {
  if (!isPinned(wish) || parseCpuList(wish).some((cpu) => cpus.includes(cpu))) return;
  throw new Fault("bad_request", `cannot pin to the CPUs of limits.cpu "${wish}": none is there`, {
    hint: `Containers may use the CPUs ${formatCpuList(cpus)} of this host.`,
  });
}

const wishOf = (record: InstanceRecord) => record.expandedConfig["limits.cpu"] ?? "";

/** The set for one that is about to start; undefined: all CPUs. */
export async function cpusetAtStart(
  ctx: InstanceContext,
  record: InstanceRecord,
): Promise<string | undefined> {
  if (wishOf(record) === "") return undefined;
  assertAnyCpu(wishOf(record), ctx.facts.cpus);
  const users = await runningUsers(ctx);
  const others = users.filter((user) => user.id !== record.id);
  const sets = balance(ctx.facts.cpus, [...others, { id: record.id, wish: wishOf(record) }]);
  const set = sets.get(record.id);
  return set === undefined ? undefined : formatCpuList(set);
}

/** Cheap where no instance has limits.cpu: then none runs that counts. */
async function runningUsers(ctx: InstanceContext): Promise<CpuUser[]> {
  const running = new Set(ctx.runtime.running());
  if (running.size === 0) return [];
  const all = await ctx.db.read(async (tx) => {
    const any = await tx.get(
      `SELECT 1 FROM instances_config WHERE key = 'limits.cpu'
         UNION SELECT 1 FROM profiles_config WHERE key = 'limits.cpu'`,
    );
    return any === undefined ? [] : await listInstances(tx);
  });
  return all.filter((record) => running.has(record.id))
    .map((record) => ({ id: record.id, wish: wishOf(record) }));
}

/** Write the sets that differ from what the cgroups say. */
export async function rebalance(ctx: InstanceContext): Promise<void> {
  if (versionOf(ctx.facts.layout, "cpuset") === undefined) return;
  const users = await runningUsers(ctx);
  if (users.every((user) => user.wish === "")) return;
  const sets = balance(ctx.facts.cpus, users);
  for (const user of users) {
    const set = sets.get(user.id);
    if (set !== undefined) await writeCpuset(ctx, user.id, formatCpuList(set));
  }
}

/** All CPUs again, after limits.cpu went. */
export async function freeCpuset(ctx: InstanceContext, id: number): Promise<void> {
  await writeCpuset(ctx, id, formatCpuList(ctx.facts.cpus));
}

async function writeCpuset(ctx: InstanceContext, id: number, value: string): Promise<void> {
  const cgroups = ctx.runtime.cgroups(id);
  const directory = cgroups.get("cpuset") ?? cgroups.get("");
  if (directory === undefined) return;
  const path = `${directory}/cpuset.cpus`;
  try {
    if ((await Deno.readTextFile(path)).trim() === value) return;
    await Deno.writeTextFile(path, value, { create: false });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // It ended meanwhile.
  }
}
