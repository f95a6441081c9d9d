/**
 * The folder `trash` of a pool of directories: what is deleted goes there by one rename and is removed
 * in the background; what is made starts there and gets its name by one rename when it is whole. What a
 * crash leaves in it is removed at the next start.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { entries, exists, removeTree } from "#daemon/host/files.ts";
import { mountTable, unmountFirmly } from "#daemon/host/mounted.ts";

/** What can't be removed is told to onError, and tried again at the next start. */
export class Trash {
  readonly #folder: HostPath;
  readonly #onError: (what: string, error: unknown) => void;
  readonly #remove: (path: HostPath) => Promise<void>;
  readonly #background = new Set<Promise<void>>();

  constructor(
    root: HostPath,
    options: {
      onError: (what: string, error: unknown) => void;
      /** How a tree is removed; default: file by file. */
      remove?: (path: HostPath) => Promise<void>;
    },
  ) {
    this.#folder = hostPath(`${root}/trash`);
    this.#onError = options.onError;
    this.#remove = options.remove ?? removeTree;
  }

  /** A path in the trash where something may be made; it does not exist yet. */
  async stage(): Promise<HostPath> {
    await Deno.mkdir(this.#folder, { recursive: true, mode: 0o700 });
    return hostPath(`${this.#folder}/${crypto.randomUUID()}`);
  }

  /** Make something at a staged path and give it its name when it is whole. */
  async build(target: HostPath, make: (path: HostPath) => Promise<void>): Promise<void> {
    const staged = await this.stage();
    try {
      await make(staged);
      await Deno.rename(staged, target);
    } catch (error) {
      await this.#remove(staged).catch(() => undefined); // Ignored: the next start removes it.
      throw error;
    }
  }

  /** Out of sight by one rename, removed in the background. Absent is no error. */
  async discard(path: HostPath): Promise<void> {
    if (!await exists(path)) return;
    const target = await this.stage();
    await Deno.rename(path, target);
    this.inBackground("empty the trash", () => this.#remove(target));
  }

  /** Remove what an earlier daemon left. */
  async empty(): Promise<void> {
    // Views of instances that ran are mounted in it.
    for (const { target } of (await mountTable()).toReversed()) {
      if (target.startsWith(`${this.#folder}/`)) await unmountFirmly(hostPath(target));
    }
    for (const name of await entries(this.#folder)) {
      const path = hostPath(`${this.#folder}/${name}`);
      this.inBackground("empty the trash", () => this.#remove(path));
    }
  }

  inBackground(what: string, run: () => Promise<void>): void {
    const task = run().catch((error) => this.#onError(what, error))
      .finally(() => this.#background.delete(task));
    this.#background.add(task);
  }

  /** Until nothing runs in the background. */
  async idle(): Promise<void> {
    await Promise.all(this.#background);
  }
}
