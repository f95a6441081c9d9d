/** Which host ids containers may use: /etc/subuid and /etc/subgid of root. Pure but for the reader. */

export interface HostRange {
  readonly uid: { readonly base: number; readonly size: number };
  readonly gid: { readonly base: number; readonly size: number };
}

const MIN_SIZE = 65536;
const DEFAULT = { base: 1_000_000, size: 1_000_000_000 } as const;

/**
 * The first range of root with at least 65536 ids; 1000000:1000000000 without one.
 *
 * @param subuid Content of the files, undefined if they do not exist. @see subuid(5)
 */
export function hostRange(subuid: string | undefined, subgid: string | undefined): HostRange {
  const uid = firstRange(subuid);
  const gid = firstRange(subgid);
  if (uid === undefined || gid === undefined) return { uid: DEFAULT, gid: DEFAULT };
  return { uid, gid };
}

function firstRange(text: string | undefined): { base: number; size: number } | undefined {
  for (const line of (text ?? "").split("\n")) {
    const [user, base, size] = line.trim().split(":");
    if (user !== "root" && user !== "0") continue;
    if (Number(size) >= MIN_SIZE && Number(base) > 0) {
      return { base: Number(base), size: Number(size) };
    }
  }
  return undefined;
}

/** Read the files of this host. */
export function readHostRange(): HostRange {
  return hostRange(readIfThere("/etc/subuid"), readIfThere("/etc/subgid"));
}

function readIfThere(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
