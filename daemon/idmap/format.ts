/** Id maps in the notations of LXD (volatile keys), liblxc and the kernel. Pure. */
import type { IdMap, IdMapEntry } from "./idmap.ts";

/** JSON of volatile.idmap.current, volatile.idmap.next and volatile.last_state.idmap. */
export function idmapJson(idmap: IdMap | null): string {
  return JSON.stringify((idmap ?? []).map((entry) => ({
    Isuid: entry.isUid,
    Isgid: entry.isGid,
    Hostid: entry.hostId,
    Nsid: entry.nsId,
    Maprange: entry.size,
  })));
}

/** undefined if the text is none of ours; [] becomes null (privileged). */
export function parseIdmapJson(text: string | undefined): IdMap | null | undefined {
  if (text === undefined || text === "") return undefined;
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return undefined; // Ignored: an unreadable value counts as absent.
  }
  if (!Array.isArray(list)) return undefined;
  const map = list.map(toEntry);
  if (map.includes(undefined)) return undefined;
  return map.length === 0 ? null : map.filter((entry) => entry !== undefined);
}

function toEntry(value: unknown): IdMapEntry | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const raw = value as Readonly<Record<string, unknown>>;
  const [hostId, nsId, size] = [raw["Hostid"], raw["Nsid"], raw["Maprange"]].map(Number);
  if (![hostId, nsId, size].every(Number.isSafeInteger)) return undefined;
  return {
    isUid: raw["Isuid"] === true,
    isGid: raw["Isgid"] === true,
    hostId: hostId ?? 0,
    nsId: nsId ?? 0,
    size: size ?? 0,
  };
}

/** Values of lxc.idmap: "u 0 1000000 65536". */
export function lxcIdmap(idmap: IdMap): string[] {
  return idmap.flatMap((entry) => {
    const tail = `${entry.nsId} ${entry.hostId} ${entry.size}`;
    return [...(entry.isUid ? [`u ${tail}`] : []), ...(entry.isGid ? [`g ${tail}`] : [])];
  });
}

/** Host id of an id inside; the id itself if the container is privileged or does not map it. */
export function toHost(idmap: IdMap | null, kind: "uid" | "gid", id: number): number {
  for (const entry of idmap ?? []) {
    const fits = kind === "uid" ? entry.isUid : entry.isGid;
    if (fits && id >= entry.nsId && id < entry.nsId + entry.size) {
      return entry.hostId + id - entry.nsId;
    }
  }
  return id;
}
