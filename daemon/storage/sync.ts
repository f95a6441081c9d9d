/** Make one tree or disk like another: only what differs is written. @see rsync(1) */
import type { HostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import { run } from "#daemon/host/run.ts";
import { treeBytes } from "./copy_tree.ts";
import { requireSpace } from "./space.ts";

/** rsync: some files vanished while it ran. */
const RSYNC_VANISHED = 24;

/**
 * Owners, modes, ACLs, attributes, links and holes are kept.
 *
 * @param options.only Patterns of what is copied; default: all, and what is not in `source` is removed.
 */
export async function syncTrees(
  source: HostPath,
  target: HostPath,
  options: { readonly signal?: AbortSignal; readonly only?: readonly string[] } = {},
): Promise<void> {
  const { signal, only } = options;
  if (only === undefined) {
    const bytes = await treeBytes(source) - await treeBytes(target);
    await requireSpace(target, bytes, "copy the volume", "the volume");
  }
  const filters = only === undefined
    ? ["--delete", "--exclude=/lost+found"]
    : [...only.map((pattern) => `--include=${pattern}`), "--exclude=*"];
  await execute([
    ...["rsync", "-aHAXS", "--numeric-ids", "--one-file-system"],
    // Times differ if their nanoseconds do.
    ...["--modify-window=-1", "--whole-file", "--no-compress"],
    ...filters,
    "--",
    `${source}/`,
    `${target}/`,
  ], signal);
}

/** Of files or block devices; the target is as large and reads as zeros, or holes don't matter. */
export async function copyDisk(
  source: HostPath,
  target: HostPath,
  options: { readonly signal?: AbortSignal; readonly isFresh: boolean },
): Promise<void> {
  const conversions = ["notrunc", "fsync", ...(options.isFresh ? ["sparse"] : [])];
  await execute(
    [
      ...["dd", `if=${source}`, `of=${target}`, "bs=4M", `conv=${conversions.join(",")}`],
      "status=none",
    ],
    options.signal,
  );
}

async function execute(argv: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  try {
    await run(argv, { signal, isUnlimited: true });
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    if (argv[0] === "rsync" && error.exitCode === RSYNC_VANISHED) return;
    signal?.throwIfAborted();
    if (!/No space left|quota exceeded/i.test(error.stderrTail)) throw error;
    throw new Fault("no_space", "cannot copy the volume: no space left on the storage pool", {
      cause: error,
    });
  }
}
