/**
 * Owners of trees on disk, for pools whose mounts can't map ids. A shift between two maps is taken in
 * steps, each from plain ids or to them; the caller writes down where the tree is after each, and what
 * it is about to become, so that an interrupted step is finished and none is done twice.
 */
import type { HostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import { run } from "#daemon/host/run.ts";
import { idmapJson } from "#daemon/idmap/format.ts";
import type { IdMap } from "#daemon/idmap/idmap.ts";

/** null: plain ids, as in the image. */
export type DiskMap = IdMap | null;

export interface ShiftState {
  readonly now: DiskMap;
  /** The step that was begun and did not end. */
  readonly begun?: DiskMap | undefined;
}

/** Whether a tree for one fits the other. */
export function isSameMap(a: DiskMap, b: DiskMap): boolean {
  return idmapJson(a) === idmapJson(b);
}

/** States on the way to `target`, the last is it. Pure. */
function shiftSteps({ now, begun }: ShiftState, target: DiskMap): DiskMap[] {
  const steps: DiskMap[] = begun === undefined ? [] : [begun];
  let at = begun === undefined ? now : begun;
  if (isSameMap(at, target)) return steps;
  if (at !== null) steps.push(at = null);
  if (target !== null) steps.push(target);
  return steps;
}

/**
 * @param note Called before a step with what the tree becomes, and after it with what it is.
 * @throws {Fault} internal naming the file
 */
export async function shiftTree(
  helper: HostPath,
  path: HostPath,
  change: {
    readonly state: ShiftState;
    readonly target: DiskMap;
    readonly note: (state: ShiftState) => Promise<void>;
    readonly signal?: AbortSignal;
  },
): Promise<void> {
  let { now } = change.state;
  for (const next of shiftSteps(change.state, change.target)) {
    const map = next ?? now;
    const isAgain = change.state.begun !== undefined && isSameMap(next, change.state.begun);
    await change.note({ now, begun: next });
    if (map !== null) {
      const [way, mode] = next === null
        ? ["out", "change"]
        : ["into", isAgain ? "finish" : "change"];
      await runShift([helper, "shift", path, way, mode, ...ranges(map)], change.signal);
    }
    now = next;
    await change.note({ now });
  }
}

function ranges(map: IdMap): string[] {
  return map.flatMap(({ isUid, isGid, nsId, hostId, size }) => {
    return [isUid && isGid ? "b" : isUid ? "u" : "g", `${nsId}`, `${hostId}`, `${size}`];
  });
}

async function runShift(argv: readonly string[], signal?: AbortSignal): Promise<void> {
  try {
    await run(argv, { signal, isUnlimited: true });
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof ExecError)) throw error;
    const text = error.stderrTail.trim();
    throw new Fault("internal", `cannot shift the owners of files: ${text}`, { cause: error });
  }
}
