/** What is mounted on this host. @see proc_pid_mountinfo(5) */
import type { HostPath } from "#base/brand.ts";

export interface MountInfo {
  /** Path within its file system. */
  readonly fsRoot: string;
  readonly target: string;
  readonly type: string;
  readonly source: string;
}

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
