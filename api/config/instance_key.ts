/** What a row of the tables of instances' configuration keys says. */
import type { Check } from "./instance_checks.ts";

/** Live updates; daemon/instances/live.ts has exactly one function for each. */
export type InstanceLive =
  | "cgroup.memory"
  | "cgroup.cpu"
  | "cgroup.cpuset"
  | "cgroup.processes"
  | "cgroup.hugepages"
  | "cgroup.disk"
  | "devlxd"
  | "modules"
  | "network.priority"
  | "apparmor"
  | "interception";

export interface InstanceKey {
  readonly type: "string" | "bool" | "int" | "bytes" | "blob";
  /** What holds while the key is unset; shown in the docs. */
  readonly default?: string;
  /** Besides the check of the type. */
  readonly check?: Check;
  /** What a change does to a running instance. */
  readonly live: InstanceLive | "restart" | "nothing-to-do";
  readonly summary: string;
  /** What may follow the prefix of a key with a free part: it must not begin a line of lxc.conf. */
  readonly ending?: RegExp;
  /** All that may follow, where that is a list. */
  readonly endings?: readonly string[];
  /** Which instances take the key; both if absent. */
  readonly scope?: "container" | "virtual-machine";
  /** "later": accepted and kept, without an effect yet. */
  readonly effect?: "later";
}

/** Parts of rows. */
export const LATER = { effect: "later" } as const;
export const CONTAINER = { scope: "container" } as const;
export const VM = { scope: "virtual-machine", effect: "later" } as const;
