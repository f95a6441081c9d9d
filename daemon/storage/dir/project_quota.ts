/**
 * Limits of directories by project quotas, where the file system has them (ext4 mounted with prjquota,
 * xfs with pquota). A project's id is the inode of its directory: unique as long as it is there, and
 * kept when it is renamed.
 */
import type { HostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { exists } from "#daemon/host/files.ts";
import { run } from "#daemon/host/run.ts";

export interface Limit {
  /** 0: it belongs to no project. */
  readonly id: number;
  /** 0: none. */
  readonly limitBytes: number;
  readonly usedBytes: number;
}

/** Ids that are no project's: 0 and (uid_t) -1. */
const IDS = 2 ** 32 - 2;

/** Each question forks the helper: it takes a few milliseconds. @see quotactl(2) */
export class ProjectQuotas {
  readonly #helper: HostPath;

  constructor(helper: HostPath) {
    this.#helper = helper;
  }

  async #run(...args: readonly string[]): Promise<string> {
    return await run([this.#helper, "project", ...args]);
  }

  /** Does the file system enforce them? */
  async isOn(root: HostPath): Promise<boolean> {
    return await this.#run("probe", root).then(() => true, () => false);
  }

  async show(directory: HostPath): Promise<Limit> {
    const [id = 0, limitBytes = 0, usedBytes = 0] = (await this.#run("show", directory))
      .split(" ").map(Number);
    return { id, limitBytes, usedBytes };
  }

  /**
   * Limit all that is in a directory. 0: no limit. If it holds more already, nothing more can be
   * written to it, but less, as in LXD.
   *
   * @param options.mustFit A new one that holds more is refused. @throws {Fault} bad_request
   */
  async limit(
    directory: HostPath,
    sizeBytes: number,
    { mustFit = false }: { readonly mustFit?: boolean } = {},
  ): Promise<void> {
    const before = await this.show(directory);
    if (before.id === 0 && sizeBytes === 0) return;
    const { ino } = await Deno.lstat(directory);
    const id = before.id === 0 ? Number(BigInt(ino ?? 1) % BigInt(IDS)) + 1 : before.id;
    if (before.id === 0) {
      // Another directory may have had this inode, and left its limit behind.
      await this.#run("limit", directory, `${id}`, "0");
      await this.#run("set", directory, `${id}`, "0");
    }
    if (mustFit) requireRoom((await this.show(directory)).usedBytes, sizeBytes);
    await this.#run("limit", directory, `${id}`, `${sizeBytes}`);
  }

  /** What is to go: its id may come again. Absent is no error. */
  async forget(directory: HostPath): Promise<void> {
    if (!await exists(directory)) return;
    const { id, limitBytes } = await this.show(directory);
    if (id !== 0 && limitBytes !== 0) await this.#run("limit", directory, `${id}`, "0");
  }

  /** It left its volume: it counts no more. */
  async release(directory: HostPath): Promise<void> {
    if ((await this.show(directory)).id !== 0) await this.#run("clear", directory);
  }
}

/** @param why Nor by a file system of its own in a file. */
export function cannotLimit(why: string): Fault {
  return new Fault("bad_request", `this storage pool can't limit the size of a volume: ${why}`, {
    hint: "Or mount its file system with project quotas: prjquota (ext4, made with " +
      "-O project,quota) or pquota (xfs); or leave size unset, or use another pool.",
  });
}

/** @throws {Fault} bad_request: what is there already needs more */
export function requireRoom(usedBytes: number, sizeBytes: number): void {
  if (sizeBytes === 0 || usedBytes <= sizeBytes) return;
  throw new Fault("bad_request", `the volume holds ${usedBytes} bytes already`, {
    hint: "Delete something in it, or give a larger size.",
  });
}
