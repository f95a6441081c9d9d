/**
 * The kernel moves a process to another cgroup only after a grace period of RCU, about ten milliseconds,
 * unless another process moved a moment ago. The wait is the same for all and may begin before there is
 * something to move: while a command or a container is still being prepared.
 */
import { type CgroupLayout, readLayout } from "./layout.ts";

/** Where the hierarchies are does not change; where this process is may, and must be asked each time. */
let layout: CgroupLayout | undefined;
/** One wait serves all who expect a move meanwhile. */
let isWaiting = false;
/** Until then moves are expected, by the clock of performance.now(). */
let expectedUntil = 0;
/** What the kernel has waited for is worth one more grace period. */
const RENEW_MS = 8;

/**
 * A process will be moved soon. Writes this process into the cgroup where it is: that changes nothing,
 * but waits for the grace period, in a thread of its own.
 *
 * @param withinMs Done again and again for as long, so that the move may come at any time of it.
 * @see cgroup_procs_write_start() in the kernel, and its option favordynmods
 */
export function expectMove(withinMs = 0): void {
  expectedUntil = Math.max(expectedUntil, performance.now() + withinMs);
  if (isWaiting) return;
  const path = ownProcs();
  if (path === undefined) return;
  isWaiting = true;
  Deno.writeTextFile(path, "0", { create: false }).catch(() => {
    // Ignored: then the move itself waits.
  }).finally(() => {
    isWaiting = false;
    if (performance.now() < expectedUntil) setTimeout(expectMove, RENEW_MS);
  });
}

function ownProcs(): string | undefined {
  try {
    layout ??= readLayout();
    return procsOf(layout, Deno.readTextFileSync("/proc/self/cgroup"));
  } catch {
    return undefined; // Ignored: too many open files; the move itself waits.
  }
}

/**
 * File with the processes of one of the cgroups that a process is in; any hierarchy will do. Pure.
 *
 * @param procCgroup its /proc/<pid>/cgroup
 */
export function procsOf(layout: CgroupLayout, procCgroup: string): string | undefined {
  for (const line of procCgroup.split("\n")) {
    const [, controllers, path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined) continue;
    const mount = controllers === "" ? layout.v2 : layout.v1[controllers.split(",")[0] ?? ""];
    if (mount !== undefined) return `${mount}${path === "/" ? "" : path}/cgroup.procs`;
  }
  return undefined;
}
