/** States of an instance and what may be done in each. Pure. */
import { STATUS, type StatusName } from "#api/status.ts";
import type { Pid } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";

export type RunState =
  | { readonly status: "stopped" }
  | { readonly status: "starting" }
  | { readonly status: "running"; readonly pid: Pid; readonly monitor: Pid }
  | { readonly status: "frozen"; readonly pid: Pid; readonly monitor: Pid }
  | { readonly status: "stopping"; readonly pid: Pid; readonly monitor: Pid }
  /** It should run or be stopped, but its state could not be established. */
  | { readonly status: "error"; readonly reason: string };

export type Action = "start" | "stop" | "restart" | "freeze" | "unfreeze";
export type Change = "delete" | "rename" | "restore" | "snapshot";

type Status = RunState["status"];

/** undefined: allowed. Otherwise the refusal, in LXD's words where scripts look for them. */
const REFUSALS: Readonly<Record<Action | Change, Partial<Record<Status, string>>>> = {
  start: {
    starting: "The instance is already starting",
    running: "The instance is already running",
    frozen: "The instance is already running",
    stopping: "The instance is stopping",
  },
  stop: { stopped: "The instance is already stopped" },
  restart: { stopped: "The instance isn't running" },
  freeze: {
    stopped: "The instance isn't running",
    starting: "The instance isn't running yet",
    frozen: "The instance is already frozen",
    error: "The instance isn't running",
  },
  unfreeze: {
    stopped: "The instance isn't running",
    starting: "The instance isn't frozen",
    running: "The instance isn't frozen",
    stopping: "The instance isn't frozen",
    error: "The instance isn't frozen",
  },
  delete: {
    starting: "Instance is running",
    running: "Instance is running",
    frozen: "Instance is running",
    stopping: "Instance is running",
  },
  rename: {
    starting: "Renaming of running instance not allowed",
    running: "Renaming of running instance not allowed",
    frozen: "Renaming of running instance not allowed",
    stopping: "Renaming of running instance not allowed",
  },
  restore: {},
  snapshot: { starting: "The instance is starting" },
};

const HINTS: Readonly<Partial<Record<Action | Change, string>>> = {
  start: "lxc restart starts it anew.",
  stop: "lxc start starts it.",
  restart: "lxc start starts it.",
  freeze: "lxc list shows the state of instances.",
  unfreeze: "Only a frozen instance can be resumed: lxc pause freezes one.",
  delete: "Stop it first, or use --force.",
  rename: "Stop it first: lxc stop.",
};

/** @throws {Fault} bad_request with LXD's words and a hint. */
export function assertAllowed(state: RunState, action: Action | Change): void {
  const refusal = REFUSALS[action][state.status];
  if (refusal === undefined) return;
  const hint = HINTS[action];
  throw new Fault("bad_request", refusal, hint === undefined ? {} : { hint });
}

const STATUS_NAMES: Readonly<Record<Status, StatusName>> = {
  stopped: "Stopped",
  starting: "Stopped",
  running: "Running",
  frozen: "Frozen",
  stopping: "Running",
  error: "Error",
};

/** Status of the API. */
export function statusOf(state: RunState): { status: StatusName; status_code: number } {
  const status = STATUS_NAMES[state.status];
  return { status, status_code: STATUS[status] };
}

/** Init's pid while there is one. */
export function pidOf(state: RunState): Pid | undefined {
  return "pid" in state ? state.pid : undefined;
}

/** It has processes: also while it is frozen, or stops. */
export function isRunning(state: RunState): boolean {
  return pidOf(state) !== undefined;
}
