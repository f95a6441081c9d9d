/** Freeze and thaw a cgroup by its files, v1 or v2. */
import { Fault } from "#base/errors.ts";
import type { CgroupPaths } from "./layout.ts";

const BOUND_MS = 10_000;

interface Freezer {
  readonly file: string;
  readonly frozen: string;
  readonly thawed: string;
  /** Has the kernel got there? */
  readonly isFrozen: () => boolean;
}

function freezerOf(cgroups: CgroupPaths): Freezer {
  const v1 = cgroups.get("freezer");
  if (v1 !== undefined) {
    const file = `${v1}/freezer.state`;
    const isFrozen = () => Deno.readTextFileSync(file).trim() === "FROZEN";
    return { file, frozen: "FROZEN", thawed: "THAWED", isFrozen };
  }
  const v2 = cgroups.get("");
  if (v2 === undefined) throw new Fault("unavailable", "this host has no cgroup freezer");
  const isFrozen = () => /^frozen 1$/m.test(Deno.readTextFileSync(`${v2}/cgroup.events`));
  return { file: `${v2}/cgroup.freeze`, frozen: "1", thawed: "0", isFrozen };
}

/** Settles when every process stands still. @throws {Fault} unavailable if one can't be frozen. */
export async function freeze(cgroups: CgroupPaths): Promise<void> {
  const freezer = freezerOf(cgroups);
  const end = Date.now() + BOUND_MS;
  // The v1 freezer has no event, and may need a second push when processes fork meanwhile.
  for (let step = 1;; step = Math.min(step * 2, 50)) {
    Deno.writeTextFileSync(freezer.file, freezer.frozen, { create: false });
    if (freezer.isFrozen()) return;
    if (Date.now() > end) {
      Deno.writeTextFileSync(freezer.file, freezer.thawed, { create: false });
      throw new Fault("unavailable", "cannot freeze the instance: a process does not stand still");
    }
    await new Promise((resolve) => setTimeout(resolve, step));
  }
}

/** Let it go on. Idempotent; a cgroup that is gone is no error. */
export function thaw(cgroups: CgroupPaths): void {
  const freezer = freezerOf(cgroups);
  try {
    Deno.writeTextFileSync(freezer.file, freezer.thawed, { create: false });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

export function isFrozen(cgroups: CgroupPaths): boolean {
  try {
    return freezerOf(cgroups).isFrozen();
  } catch {
    return false; // Ignored: no freezer, or the container just ended.
  }
}
