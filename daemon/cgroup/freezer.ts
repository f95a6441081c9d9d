/** Freeze and thaw a cgroup by its files, v1 or v2. */
import { Fault } from "#base/errors.ts";
import type { CgroupPaths } from "./layout.ts";
import { CgroupReader } from "./reader.ts";

const BOUND_MS = 10_000;

interface Freezer {
  readonly file: string;
  readonly frozen: string;
  readonly thawed: string;
}

function freezerOf(cgroups: CgroupPaths): Freezer {
  const v1 = cgroups.get("freezer");
  if (v1 !== undefined) {
    return { file: `${v1}/freezer.state`, frozen: "FROZEN", thawed: "THAWED" };
  }
  const v2 = cgroups.get("");
  if (v2 === undefined) throw new Fault("unavailable", "this host has no cgroup freezer");
  return { file: `${v2}/cgroup.freeze`, frozen: "1", thawed: "0" };
}

/** Settles when every process stands still. @throws {Fault} unavailable if one can't be frozen. */
export async function freeze(cgroups: CgroupPaths): Promise<void> {
  const freezer = freezerOf(cgroups);
  using reader = new CgroupReader(cgroups);
  const end = Date.now() + BOUND_MS;
  // The v1 freezer has no event, and may need a second push when processes fork meanwhile.
  for (let step = 1;; step = Math.min(step * 2, 50)) {
    Deno.writeTextFileSync(freezer.file, freezer.frozen, { create: false });
    if (isFrozen(reader)) return;
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

/** Has the kernel got there? No, if there is no freezer, or the container just ended. */
export function isFrozen(cgroups: CgroupReader): boolean {
  return cgroups.paths.has("freezer")
    ? cgroups.text("freezer", "freezer.state") === "FROZEN\n"
    : /^frozen 1$/m.test(cgroups.text("", "cgroup.events"));
}
