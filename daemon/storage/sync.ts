/** Make one tree or disk like another: only what differs is written. @see rsync(1) */
import type { HostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
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
    await requireSpace(target, bytes, "copy the volume");
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
  const [program = "", ...args] = argv;
  const { success, code, stderr } = await new Deno.Command(program, {
    args,
    env: { LC_ALL: "C" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    ...(signal === undefined ? {} : { signal }),
  }).output();
  if (success || (program === "rsync" && code === RSYNC_VANISHED)) return;
  signal?.throwIfAborted();
  const text = new TextDecoder().decode(stderr).slice(-2000);
  if (/No space left|quota exceeded/i.test(text)) {
    throw new Fault("no_space", "cannot copy the volume: no space left on the storage pool");
  }
  throw new ExecError(argv, code, text);
}
