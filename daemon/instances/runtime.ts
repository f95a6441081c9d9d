/**
 * What runs now: a table of states kept current by the ends of monitor processes, so that no request
 * has to ask the kernel who lives. Who stands still is asked: anybody may write to the freezer's file.
 */
import type { Pid } from "#base/brand.ts";
import { isFrozen } from "#daemon/cgroup/freezer.ts";
import type { CgroupPaths } from "#daemon/cgroup/layout.ts";
import { CgroupReader } from "#daemon/cgroup/reader.ts";
import { processEnd } from "#ffi/libc/exit_watch.ts";
import type { RunState } from "./machine.ts";

export interface Running {
  readonly pid: Pid;
  readonly monitor: Pid;
  readonly cgroups: CgroupPaths;
}

interface Entry {
  state: RunState;
  cgroups: CgroupReader;
  /** How many of our own copies hold it still for a moment: that is nobody's state. */
  holds: number;
  /** "reboot" or "stop", as the stop hook said. */
  target: "reboot" | "stop" | undefined;
  /** Settles when the end of this run has been handled. */
  ended: PromiseWithResolvers<void>;
}

const NO_CGROUPS = new CgroupReader(new Map());

/** Owns a watch on each monitor; `leave` lets go of all, and the containers go on. */
export class Runtime {
  readonly #entries = new Map<number, Entry>();

  #isLeft = false;

  /** @param onEnd A monitor ended: handle it, then call `stopped`. */
  constructor(readonly onEnd: (id: number, monitor: Pid) => void) {}

  state(id: number): RunState {
    const entry = this.#entries.get(id);
    if (entry === undefined) return { status: "stopped" };
    const { state, cgroups, holds } = entry;
    if (holds > 0 || (state.status !== "running" && state.status !== "frozen")) return state;
    return { ...state, status: isFrozen(cgroups) ? "frozen" : "running" };
  }

  /** Until it is disposed of, the instance stands still for us and its state is what it was. */
  hold(id: number): Disposable {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.holds++;
    return { [Symbol.dispose]: () => void (entry !== undefined && entry.holds--) };
  }

  cgroups(id: number): CgroupPaths {
    return this.reader(id).paths;
  }

  /** Of its cgroups' files, for as long as it runs. */
  reader(id: number): CgroupReader {
    return this.#entries.get(id)?.cgroups ?? NO_CGROUPS;
  }

  target(id: number): "reboot" | "stop" | undefined {
    return this.#entries.get(id)?.target;
  }

  /** Ids of all that are not stopped. */
  running(): number[] {
    return [...this.#entries].filter(([, entry]) => "pid" in entry.state).map(([id]) => id);
  }

  set(id: number, state: RunState): void {
    if (state.status === "stopped") return this.stopped(id);
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.state = state;
    else this.#entries.set(id, newEntry(state));
  }

  /** From now on it runs; its end will be noticed. */
  started(id: number, running: Running, isFrozen = false): void {
    const { pid, monitor } = running;
    const entry = newEntry({ status: isFrozen ? "frozen" : "running", pid, monitor });
    entry.cgroups = new CgroupReader(running.cgroups);
    this.#forget(id);
    this.#entries.set(id, entry);
    const watch = processEnd(monitor);
    void watch.ended.then(() => {
      watch[Symbol.dispose]();
      if (!this.#isLeft) this.onEnd(id, monitor);
    });
  }

  /** Look at nothing any more: whatever runs is the next daemon's. */
  leave(): void {
    this.#isLeft = true;
    for (const id of this.#entries.keys()) this.#forget(id);
  }

  /** The stop hook: what the container asked for. */
  noteTarget(id: number, target: "reboot" | "stop"): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.target = target;
  }

  /** The end is handled: whoever waits goes on. */
  stopped(id: number): void {
    this.#forget(id)?.ended.resolve();
  }

  #forget(id: number): Entry | undefined {
    const entry = this.#entries.get(id);
    entry?.cgroups[Symbol.dispose]();
    this.#entries.delete(id);
    return entry;
  }

  /** Settles when this run is over and cleaned up; at once if it does not run. */
  whenStopped(id: number): Promise<void> {
    return this.#entries.get(id)?.ended.promise ?? Promise.resolve();
  }
}

function newEntry(state: RunState): Entry {
  return {
    state,
    cgroups: NO_CGROUPS,
    holds: 0,
    target: undefined,
    ended: Promise.withResolvers<void>(),
  };
}
