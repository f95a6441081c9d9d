/** Copies of whole trees with everything in them: owners, ACLs, xattrs (trusted ones too), holes, links. */
import type { HostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";

export interface CopyTreeOptions {
  readonly reflink: "auto" | "always";
  /** Leave files that the target has already, not older. */
  readonly onlyNewer?: true;
  readonly signal?: AbortSignal;
}

/**
 * Copy the content of `source` into the existing directory `target`; shares blocks where the file
 * system can. cp(1) measured faster than tar and rsync for this.
 *
 * @throws {Fault} no_space before or while copying.
 */
export async function copyTree(
  source: HostPath,
  target: HostPath,
  options: CopyTreeOptions = { reflink: "auto" },
): Promise<void> {
  const update = options.onlyNewer ? ["--update"] : [];
  const args = ["-a", ...update, `--reflink=${options.reflink}`, "--"];
  await runCopier("cp", [...args, `${source}/.`, `${target}/`], { source, signal: options.signal });
}

/**
 * Make `target` equal to `source`, writing only what differs. Files of one size and time (in
 * nanoseconds) count as equal, unless `byContent`: archives keep whole seconds only.
 *
 * @throws {Fault} no_space
 */
export async function syncTree(
  source: HostPath,
  target: HostPath,
  options: { signal?: AbortSignal; byContent?: boolean } = {},
): Promise<void> {
  const compare = options.byContent === true ? "--checksum" : "--modify-window=-1";
  const args = ["-aHAX", "--numeric-ids", "--delete", compare, "--"];
  await runCopier("rsync", [...args, `${source}/`, `${target}/`], {
    source,
    signal: options.signal,
  });
}

async function runCopier(
  tool: "cp" | "rsync",
  args: readonly string[],
  { source, signal }: { readonly source: HostPath; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const { success, stderr } = await new Deno.Command(tool, {
    args: [...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { LC_ALL: "C" },
    ...(signal !== undefined && { signal }),
  }).output();
  if (success) return;
  signal?.throwIfAborted();
  throw failure(source, stderr);
}

function failure(source: HostPath, stderr: Uint8Array): Error {
  const text = new TextDecoder().decode(stderr).trim().split("\n").slice(-2).join("; ");
  if (/No space left|quota exceeded/i.test(text)) {
    return new Fault("no_space", `cannot copy "${source}": no space left on the storage pool`);
  }
  return new Error(`cannot copy "${source}": ${text}`);
}

/** Bytes of disk that a tree takes. A small one is counted here: no process for each instance of a list. */
export async function treeBytes(path: HostPath): Promise<number> {
  const small = smallTreeBytes(path);
  if (small !== undefined) return small;
  const { stdout } = await new Deno.Command("du", {
    args: ["-sx", "--block-size=1", "--", path],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    env: { LC_ALL: "C" },
  }).output();
  return Number(new TextDecoder().decode(stdout).split("\t")[0]) || 0;
}

/** What an upper has after a boot, and some; a millisecond or two. */
const SMALL_ENTRIES = 400;
const BLOCK_BYTES = 512;

/** As du(1) counts: on one file system, links to a file once. undefined: it is not that small. */
function smallTreeBytes(path: HostPath): number | undefined {
  const links = new Set<number | null>();
  let left = SMALL_ENTRIES;
  let bytes = 0;
  try {
    const { dev } = Deno.lstatSync(path);
    const open: string[] = [path];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const info = Deno.lstatSync(next);
      if (info.dev !== dev) continue;
      if (left-- === 0) return undefined;
      const isCounted = !info.isDirectory && (info.nlink ?? 1) > 1 && links.has(info.ino);
      if (!isCounted) bytes += (info.blocks ?? 0) * BLOCK_BYTES;
      if (!info.isDirectory && (info.nlink ?? 1) > 1) links.add(info.ino);
      if (info.isDirectory) {
        for (const { name } of Deno.readDirSync(next)) open.push(`${next}/${name}`);
      }
    }
    return bytes;
  } catch {
    return undefined; // Ignored: it changes while it is walked; du(1) copes with that.
  }
}
