/** User namespaces that carry id maps for mounts, made once per map and kept open. */
import type { Fd, HostPath } from "#base/brand.ts";
import type { IdMap } from "#daemon/idmap/idmap.ts";
import type { OwnedFd } from "#ffi/libc/fd.ts";
import { createUserNamespace } from "#ffi/libc/process.ts";

/**
 * The id on disk that stands for host root in an upper: the root that mounts must be representable
 * there, or the mount is read-only. Never change it.
 */
const RESERVED = "4294967294 0 1";

export class UserNamespaces {
  readonly #helper: HostPath;
  readonly #open = new Map<string, Promise<OwnedFd>>();

  constructor(helper: HostPath) {
    this.#helper = helper;
  }

  /** For lower layers and plain directories. */
  async lower(map: IdMap): Promise<Fd> {
    return await this.#get(lines(map, "isUid"), lines(map, "isGid"));
  }

  /** For uppers. */
  async upper(map: IdMap): Promise<Fd> {
    const add = (text: string) => mapsHostRoot(text) ? text : `${text}\n${RESERVED}`;
    return await this.#get(add(lines(map, "isUid")), add(lines(map, "isGid")));
  }

  async #get(uid: string, gid: string): Promise<Fd> {
    const key = `${uid}|${gid}`;
    let opened = this.#open.get(key);
    if (opened === undefined) {
      opened = createUserNamespace(this.#helper, { uid, gid });
      this.#open.set(key, opened);
      opened.catch(() => this.#open.delete(key));
    }
    return (await opened).fd;
  }

  async close(): Promise<void> {
    for (const opened of this.#open.values()) (await opened)[Symbol.dispose]();
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
