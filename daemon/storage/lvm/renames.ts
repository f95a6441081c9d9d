/**
 * Other names for what a pool has: its volume group and its thin pool. Until the new name is written
 * down, a tag of LVM says what it was called: a crash in between is undone at the next start.
 */
import { ExecError, Fault } from "#base/errors.ts";
import type { Undo } from "#base/undo.ts";
import { lvm } from "./group.ts";

const MARK = "lxd_renamed_from.";

export interface PoolNames {
  readonly group: string;
  /** undefined: volumes lie in the group itself. */
  readonly thinPool: string | undefined;
}

/** What LVM allows, without names that mean something to it. @see lvm(8) */
const LEGAL = /^(?!\.{1,2}$|-)[a-zA-Z0-9+_.-]{1,127}$/;

/** @throws {Fault} bad_request for a name that LVM refuses, conflict for one that is taken */
export async function renamePool(before: PoolNames, after: PoolNames, undo: Undo): Promise<void> {
  if (before.group !== after.group) {
    checkName("volume group", after.group);
    if ((await groups()).has(after.group)) {
      throw new Fault("conflict", `A volume group already exists called "${after.group}"`);
    }
    await rename(
      { programs: ["vgchange", "vgrename"], place: [] },
      before.group,
      after.group,
      undo,
    );
  }
  const [from, to] = [before.thinPool, after.thinPool];
  if (from === undefined || to === undefined || from === to) return;
  checkName("thin pool", to);
  if ((await volumes(after.group)).has(to)) {
    throw new Fault("conflict", `A logical volume already exists called "${to}"`, {
      hint: `It is in the volume group "${after.group}".`,
    });
  }
  await rename({ programs: ["lvchange", "lvrename"], place: [after.group] }, from, to, undo);
}

/**
 * Start of the pool: give back the names that are written down, and take the marks away.
 *
 * @throws {Fault} unavailable if the group or the thin pool is not there
 */
export async function settleNames({ group, thinPool }: PoolNames): Promise<void> {
  const ofGroup = await groups();
  if (!await settle({ programs: ["vgchange", "vgrename"], place: [] }, group, ofGroup)) {
    throw new Fault("unavailable", `the volume group "${group}" of the pool is not there`, {
      hint: "Is its disk attached? See vgs(8).",
    });
  }
  if (thinPool === undefined) return;
  const ofVolume = await volumes(group);
  if (!await settle({ programs: ["lvchange", "lvrename"], place: [group] }, thinPool, ofVolume)) {
    throw new Fault("unavailable", `the thin pool "${group}/${thinPool}" is not there`, {
      hint: "Was it renamed or removed by hand? See lvs(8).",
    });
  }
}

interface Renaming {
  readonly programs: readonly [change: string, rename: string];
  /** What comes before the names: the group of a logical volume. */
  readonly place: readonly string[];
}

async function rename(
  { programs: [change, program], place }: Renaming,
  from: string,
  to: string,
  undo: Undo,
): Promise<void> {
  const at = (name: string) => [...place, name].join("/");
  const unmark = () => lvm(change, "--deltag", MARK + from, at(from)).then(ignore);
  await lvm(change, "--addtag", MARK + from, at(from));
  undo.add("remove the mark of a new name", unmark);
  try {
    await lvm(program, ...place, from, to);
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    throw new Fault("bad_request", `LVM cannot rename "${at(from)}" to "${to}"`, {
      cause: error,
      hint: error.stderrTail.trim().split("\n").at(-1) ?? "Is it in use?",
    });
  }
  undo.add("give back the old name", () => lvm(program, ...place, to, from).then(ignore));
}

/** @param all Tags by name. @returns is it there, by now? */
async function settle(
  { programs: [change, program], place }: Renaming,
  name: string,
  all: Tags,
): Promise<boolean> {
  const at = [...place, name].join("/");
  let tags = all.get(name);
  if (tags === undefined) {
    const [other, second] = [...all].filter(([, theirs]) => theirs.includes(MARK + name));
    if (other === undefined || second !== undefined) return false;
    await lvm(program, ...place, other[0], name);
    tags = other[1];
  }
  for (const tag of tags) if (tag.startsWith(MARK)) await lvm(change, "--deltag", tag, at);
  return true;
}

type Tags = ReadonlyMap<string, readonly string[]>;

async function groups(): Promise<Tags> {
  return tagsOf(await lvm("vgs", ...COLUMNS, "--options", "vg_name,vg_tags"));
}

async function volumes(group: string): Promise<Tags> {
  return tagsOf(await lvm("lvs", ...COLUMNS, "--options", "lv_name,lv_tags", group));
}

const COLUMNS = ["--noheadings", "--separator", "|"] as const;

function tagsOf(text: string): Tags {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  return new Map(lines.map((line) => {
    const [name = "", tags = ""] = line.split("|");
    return [name, tags.split(",").filter((tag) => tag !== "")];
  }));
}

function checkName(what: string, name: string): void {
  if (LEGAL.test(name)) return;
  throw new Fault("bad_request", `"${name}" is no name of a ${what}`, {
    hint: "Use letters, digits and + _ . - only, no dash first.",
  });
}

function ignore(): void {}
