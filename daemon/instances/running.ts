/** What exec, console, files and logs need of an instance: where it is for liblxc and the kernel. */
import type { HostPath, Pid } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { getInstance } from "#daemon/db/instances.ts";
import { parseIdmapJson } from "#daemon/idmap/format.ts";
import type { IdMap } from "#daemon/idmap/idmap.ts";
import type { InstanceVolume } from "#daemon/storage/service.ts";
import { type InstanceContext, lxcName, lxcPath, volumeOf } from "./context.ts";
import { pidOf, type RunState } from "./machine.ts";
import type { InstanceRecord } from "./record.ts";

export interface FoundInstance {
  readonly record: InstanceRecord;
  readonly state: RunState;
  /** Init's pid; undefined: it does not run. */
  readonly pid: Pid | undefined;
  /** liblxc's name and path of it. */
  readonly lxcName: string;
  readonly lxcPath: HostPath;
  /** The map it runs with; null: privileged. While it is stopped: that of its last start. */
  readonly idmap: IdMap | null;
  readonly volume: InstanceVolume;
  /** Directory of lxc.conf, lxc.log, console.log. */
  readonly logs: HostPath;
}

export interface RunningLookup {
  /** @throws {Fault} not_found */
  find(project: string, name: string): Promise<FoundInstance>;
  /** @throws {Fault} not_found, bad_request if it does not run or is frozen. */
  requireRunning(project: string, name: string): Promise<FoundInstance & { readonly pid: Pid }>;
}

/** Also for one whose init is dead already, while the news of its end are still under way. */
export const notRunning = (name: string) =>
  new Fault("bad_request", "Instance is not running", { hint: `lxc start ${name}` });

/** Its methods read the row at each call: keep nothing of them across a change. */
export function runningLookup(ctx: InstanceContext): RunningLookup {
  const find = async (project: string, name: string): Promise<FoundInstance> => {
    const record = await ctx.db.read((tx) => getInstance(tx, project, name));
    const state = ctx.runtime.state(record.id);
    return {
      record,
      state,
      pid: pidOf(state),
      lxcName: lxcName(record),
      lxcPath: lxcPath(ctx),
      idmap: parseIdmapJson(record.config["volatile.idmap.current"]) ?? null,
      volume: volumeOf(record),
      logs: ctx.paths.instanceLogs(record.project, record.name),
    };
  };
  return {
    find,
    async requireRunning(project, name) {
      const found = await find(project, name);
      const { pid, state } = found;
      if (pid === undefined) throw notRunning(name);
      if (state.status === "frozen") {
        throw new Fault("bad_request", "Instance is frozen", { hint: `lxc start ${name}` });
      }
      return { ...found, pid };
    },
  };
}
