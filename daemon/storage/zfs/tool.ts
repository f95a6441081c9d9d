/** zfs(8) and zpool(8): run, their failures in our words, and what their lists say. */
import type { HostPath } from "#base/brand.ts";
import { ExecError, Fault, type FaultKind } from "#base/errors.ts";
import { run } from "#daemon/host/run.ts";

/** @returns what it prints. @throws {Fault} not_found, conflict and others, by what it says */
export function zfs(...args: readonly string[]): Promise<string> {
  return execute(["zfs", ...args]);
}

/** As zfs. */
export function zpool(...args: readonly string[]): Promise<string> {
  return execute(["zpool", ...args]);
}

async function execute(argv: readonly string[]): Promise<string> {
  try {
    return await run(argv);
  } catch (error) {
    throw error instanceof ExecError ? faultOf(error) ?? error : error;
  }
}

const MEANINGS: readonly (readonly [RegExp, FaultKind, string])[] = [
  [
    /out of space|No space left|quota exceeded|insufficient space/i,
    "no_space",
    "no space left on the storage pool",
  ],
  [
    /size is less than current used or reserved space/,
    "bad_request",
    "the volume holds more than that already",
  ],
  [
    /dataset does not exist|no such pool|could not find any snapshots to destroy/,
    "not_found",
    "there is no such dataset",
  ],
  [/dataset already exists/, "conflict", "a dataset of this name exists already"],
  [/is busy/, "conflict", "the volume is in use"],
];

/** What a failure means; undefined: nothing that is known. Pure. */
export function faultOf(error: ExecError): Fault | undefined {
  const found = MEANINGS.find(([pattern]) => pattern.test(error.stderrTail));
  if (found === undefined) return undefined;
  const [, kind, message] = found;
  return new Fault(kind, message, { cause: error, hint: error.stderrTail.trim() });
}

/** Does a snapshot stay because something comes from it? */
export function hasClones(error: unknown): boolean {
  return error instanceof ExecError && /has dependent clones/.test(error.stderrTail);
}

export interface Dataset {
  /** "pool/containers/a", of a snapshot "pool/containers/a@snapshot-s". */
  readonly name: string;
  readonly type: "filesystem" | "volume" | "snapshot";
  readonly usedBytes: number;
  readonly referencedBytes: number;
  /** 0: none; so the others. */
  readonly quotaBytes: number;
  readonly refquotaBytes: number;
  readonly reservationBytes: number;
  readonly refreservationBytes: number;
  /** Of a disk. */
  readonly sizeBytes: number;
  /** Of a disk; it is made of these. */
  readonly blockBytes: number;
  /** The snapshot that it comes from. */
  readonly origin?: string;
  /** Datasets that come from this snapshot. */
  readonly clones: readonly string[];
}

const COLUMNS = "name,type,used,referenced,quota,refquota,reservation,refreservation,volsize," +
  "volblocksize,origin,clones";

/** Lines of `zfs list -Hp -o <COLUMNS>`. Pure. */
export function parseDatasets(text: string): Dataset[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const [name = "", type, used, referenced, quota, refquota, reservation, ...rest] = line.split(
      "\t",
    );
    const [refreservation, size, block, origin = "-", clones = "-"] = rest;
    return {
      name,
      type: type === "volume" || type === "snapshot" ? type : "filesystem",
      usedBytes: bytes(used),
      referencedBytes: bytes(referenced),
      quotaBytes: bytes(quota),
      refquotaBytes: bytes(refquota),
      reservationBytes: bytes(reservation),
      refreservationBytes: bytes(refreservation),
      sizeBytes: bytes(size),
      blockBytes: bytes(block),
      ...(origin !== "-" && { origin }),
      clones: clones === "-" || clones === "" ? [] : clones.split(","),
    };
  });
}

/** "-" and "none" are 0. */
function bytes(text = ""): number {
  return Number(text) || 0;
}

/**
 * A dataset and what is right below it, in the order in which they were made.
 *
 * @param depth 0: only itself. @returns nothing if it is not there.
 */
export async function listDatasets(
  name: string,
  options: { readonly types: string; readonly depth: number | "all" },
): Promise<Dataset[]> {
  const depth = options.depth === "all" ? ["-r"] : ["-d", `${options.depth}`];
  try {
    return parseDatasets(
      await zfs(
        ...["list", "-Hp", "-o", COLUMNS, "-t", options.types, "-s", "createtxg", ...depth],
        name,
      ),
    );
  } catch (error) {
    if (error instanceof Fault && error.kind === "not_found") return [];
    throw error;
  }
}

/** File system, volume or snapshot; undefined if it is not there. */
export async function findDataset(name: string): Promise<Dataset | undefined> {
  return (await listDatasets(name, { types: "all", depth: 0 }))[0];
}

/** A file system, or a snapshot of one (read-only). The kernel needs nothing of mount.zfs (-i) for that. */
export async function mountDataset(name: string, target: HostPath): Promise<void> {
  await run(["mount", "-i", "-t", "zfs", "--", name, target]);
}
