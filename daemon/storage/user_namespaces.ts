/** User namespaces that carry id maps for mounts, made once per map; those in demand are kept open. */
import type { Fd, HostPath } from "#base/brand.ts";
import { LIMITS } from "#base/limits.ts";
import type { IdMap } from "#daemon/idmap/idmap.ts";
import type { OwnedFd } from "#ffi/libc/fd.ts";
import { createUserNamespace } from "#ffi/libc/process.ts";

/**
 * The id on disk that stands for host root in an upper: the root that mounts must be representable
 * there, or the mount is read-only. Never change it.
 */
const RESERVED = "4294967294 0 1";

/** A namespace that stays open until it is disposed of. */
export interface HeldNamespace extends Disposable {
  readonly fd: Fd;
}

interface Entry {
  readonly opened: Promise<OwnedFd>;
  /** Once it is. */
  owned: OwnedFd | undefined;
  holders: number;
}

/** Owns a descriptor for each map; disposing what is held lets go of it, not of the namespace. */
export class UserNamespaces {
  readonly #helper: HostPath;
  /** The one used last is at the end. */
  readonly #open = new Map<string, Entry>();
  readonly #most: number;

  /** @param most How many stay open that nobody holds, each a descriptor; others are made anew. */
  constructor(helper: HostPath, most: number = LIMITS.userNamespaces) {
    this.#helper = helper;
    this.#most = most;
  }

  /** For lower layers and plain directories. */
  async lower(map: IdMap): Promise<HeldNamespace> {
    return await this.#hold(lines(map, "isUid"), lines(map, "isGid"));
  }

  /** For uppers. */
  async upper(map: IdMap): Promise<HeldNamespace> {
    const add = (text: string) => mapsHostRoot(text) ? text : `${text}\n${RESERVED}`;
    return await this.#hold(add(lines(map, "isUid")), add(lines(map, "isGid")));
  }

  async #hold(uid: string, gid: string): Promise<HeldNamespace> {
    const key = `${uid}|${gid}`;
    const entry: Entry = this.#open.get(key) ?? {
      opened: createUserNamespace(this.#helper, { uid, gid }),
      owned: undefined,
      holders: 0,
    };
    this.#open.delete(key);
    this.#open.set(key, entry);
    entry.holders++;
    try {
      entry.owned = await entry.opened;
      return { fd: entry.owned.fd, [Symbol.dispose]: () => this.#release(entry) };
    } catch (error) {
      this.#release(entry);
      if (this.#open.get(key) === entry) this.#open.delete(key);
      throw error;
    }
  }

  #release(entry: Entry): void {
    entry.holders--;
    for (const [key, one] of this.#open) {
      if (this.#open.size <= this.#most) return;
      if (one.holders > 0) continue;
      this.#open.delete(key);
      one.owned?.[Symbol.dispose]();
    }
  }

  async close(): Promise<void> {
    for (const { opened } of this.#open.values()) (await opened)[Symbol.dispose]();
    this.#open.clear();
  }
}

function lines(map: IdMap, kind: "isUid" | "isGid"): string {
  return map.filter((entry) => entry[kind])
    .map(({ nsId, hostId, size }) => `${nsId} ${hostId} ${size}`).join("\n");
}

/** raw.idmap may map host root already. */
function mapsHostRoot(text: string): boolean {
  return text.split("\n").some((line) => line.split(" ")[1] === "0");
}
