/** What is mounted on this host. @see proc_pid_mountinfo(5) */
import type { HostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import { run } from "./run.ts";

export interface MountInfo {
  /** Path within its file system. */
  readonly fsRoot: string;
  readonly target: string;
  readonly type: string;
  readonly source: string;
}

/** In the daemon's mount namespace, in the kernel's order: of two on one path the later is on top. */
export async function mountTable(): Promise<MountInfo[]> {
  return parseMountInfo(await Deno.readTextFile("/proc/self/mountinfo"));
}

/** Pure. */
export function parseMountInfo(text: string): MountInfo[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , fsRoot = "", target = ""] = before.split(" ");
    const [type = "", source = ""] = after.split(" ");
    return { fsRoot: unescape(fsRoot), target: unescape(target), type, source: unescape(source) };
  });
}

/** Is something mounted on exactly this path? */
export async function isMounted(path: HostPath): Promise<boolean> {
  return (await mountTable()).some(({ target }) => target === path);
}

function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_all, octal) => String.fromCharCode(parseInt(octal, 8)));
}

/**
 * Unmount now, not when the last user leaves: the device must be free afterwards. Nothing mounted is
 * no error.
 *
 * @throws {Fault} conflict naming who holds it
 */
export async function unmountFirmly(path: HostPath): Promise<void> {
  while (await isMounted(path)) {
    try {
      await run(["umount", "--", path]);
    } catch (error) {
      if (!(error instanceof ExecError)) throw error;
      const holders = await holdersOf(path);
      throw new Fault("conflict", `cannot unmount "${path}": it is in use`, {
        cause: error,
        hint: holders.length === 0 ? error.stderrTail.trim() : `Used by ${holders.join(", ")}.`,
      });
    }
  }
}

/** Processes that have something below a path open: "1234 (bash)". Cost: a walk through /proc. */
async function holdersOf(path: HostPath): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name) || !await holds(name, path)) continue;
    const command = await Deno.readTextFile(`/proc/${name}/comm`)
      .catch(() => ""); // Ignored: it has ended just now.
    found.push(`${name} (${command.trim()})`);
  }
  return found;
}

async function holds(pid: string, path: string): Promise<boolean> {
  const isBelow = (link: string) => link === path || link.startsWith(`${path}/`);
  const target = (name: string) => Deno.readLink(`/proc/${pid}/${name}`).catch(() => ""); // Ignored: it ended, or is the kernel's.
  if (isBelow(await target("cwd")) || isBelow(await target("root"))) return true;
  try {
    for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
      if (isBelow(await target(`fd/${name}`))) return true;
    }
  } catch {
    // Ignored: it ended.
  }
  return false;
}
