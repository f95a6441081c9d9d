/** Watch paths that may not exist yet: told by inotify whenever something comes, goes or changes there. */

interface Entry {
  readonly path: string;
  readonly onChange: () => void;
  folder: Folder | undefined;
  isPending: boolean;
  isDeleted: boolean;
}

interface Folder {
  readonly path: string;
  readonly watcher: Deno.FsWatcher;
  readonly entries: Set<Entry>;
}

/** Changes that come together are told once. */
const SETTLE_MS = 10;

/** One watcher per directory, shared by all entries whose nearest existing directory it is. */
export class PathWatches implements Disposable {
  readonly #entries = new Map<string, Entry>();
  readonly #folders = new Map<string, Folder>();

  /** Replace the watch `key`. `onChange` may be called without need: look at what is there. */
  set(key: string, path: string, onChange: () => void): void {
    this.delete(key);
    const entry: Entry = { path, onChange, folder: undefined, isPending: false, isDeleted: false };
    this.#entries.set(key, entry);
    this.#place(entry);
  }

  /** Idempotent. */
  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    entry.isDeleted = true;
    this.#leave(entry);
  }

  [Symbol.dispose](): void {
    for (const key of [...this.#entries.keys()]) this.delete(key);
  }

  /** Put the entry to the nearest directory that exists. @returns true if that is another one now. */
  #place(entry: Entry): boolean {
    for (let path = parentOf(entry.path);; path = parentOf(path)) {
      if (entry.folder?.path === path && isDirectory(path)) return false;
      const folder = this.#open(path);
      if (folder === undefined) continue;
      this.#leave(entry);
      entry.folder = folder;
      folder.entries.add(entry);
      return true;
    }
  }

  #open(path: string): Folder | undefined {
    const known = this.#folders.get(path);
    if (known !== undefined && isDirectory(path)) return known;
    if (!isDirectory(path)) return undefined;
    let watcher: Deno.FsWatcher;
    try {
      watcher = Deno.watchFs(path, { recursive: false });
    } catch (error) {
      if (path === "/") throw error;
      return undefined; // Ignored: it went this moment; its parent tells when it comes again.
    }
    const folder: Folder = { path, watcher, entries: new Set() };
    this.#folders.set(path, folder);
    void this.#follow(folder);
    return folder;
  }

  async #follow(folder: Folder): Promise<void> {
    for await (const event of folder.watcher) {
      if (event.kind === "access") continue;
      const isGone = event.kind === "remove" && event.paths.includes(folder.path);
      // One of the same name may follow: it needs a watcher of its own.
      if (isGone && this.#folders.get(folder.path) === folder) this.#folders.delete(folder.path);
      for (const entry of [...folder.entries]) {
        const concerns = event.paths.some((path) => isOnTheWay(path, entry.path, folder.path));
        if (isGone) this.#leave(entry);
        if (concerns) this.#tell(entry);
      }
    }
  }

  #tell(entry: Entry): void {
    if (entry.isPending) return;
    entry.isPending = true;
    setTimeout(() => {
      entry.isPending = false;
      if (entry.isDeleted) return;
      // What came into a new directory before it was watched must not be missed: look again.
      if (this.#place(entry)) this.#tell(entry);
      entry.onChange();
    }, SETTLE_MS);
  }

  #leave(entry: Entry): void {
    const { folder } = entry;
    entry.folder = undefined;
    if (folder === undefined) return;
    folder.entries.delete(entry);
    if (folder.entries.size > 0) return;
    if (this.#folders.get(folder.path) === folder) this.#folders.delete(folder.path);
    folder.watcher.close();
  }
}

function isOnTheWay(changed: string, path: string, folder: string): boolean {
  return changed === folder || changed === path || path.startsWith(`${changed}/`);
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // Ignored: what can't be seen can't be watched.
  }
}
