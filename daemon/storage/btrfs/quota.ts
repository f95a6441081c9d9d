/**
 * Limits of subvolumes by qgroups. They cost something on every write, so that they are switched on
 * with the first limit.
 */
import type { HostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import { btrfs, subvolumeId } from "./subvolume.ts";

export interface GroupUsage {
  readonly referencedBytes: number;
  readonly exclusiveBytes: number;
  /** 0: none. */
  readonly limitBytes: number;
}

/** Of one file system; others may switch them on or off behind our back. */
export class Quotas {
  readonly #root: HostPath;
  #isOn: boolean | undefined;

  constructor(root: HostPath) {
    this.#root = root;
  }

  async isOn(): Promise<boolean> {
    if (this.#isOn === true) return true;
    // Off may become on without us.
    return this.#isOn = await btrfs("qgroup", "show", "--raw", this.#root)
      .then(() => true, () => false);
  }

  async #switchOn(): Promise<void> {
    if (await this.isOn()) return;
    await btrfs("quota", "enable", this.#root);
    this.#isOn = true;
    await btrfs("quota", "rescan", "-w", this.#root).catch(() => undefined); // Ignored: it runs.
  }

  /** @param sizeBytes 0: no limit. @throws {Fault} bad_request if more is used already */
  async limit(path: HostPath, sizeBytes: number): Promise<void> {
    if (sizeBytes === 0 && !await this.isOn()) return;
    await this.#switchOn();
    const { referencedBytes = 0 } = await this.usage(path) ?? {};
    if (sizeBytes > 0 && referencedBytes > sizeBytes) {
      throw new Fault("bad_request", `the volume holds ${referencedBytes} bytes already`, {
        hint: "Delete something in it, or give a larger size.",
      });
    }
    const group = `0/${await subvolumeId(path)}`;
    // The kernel makes the group with the subvolume, but not for those that were before quotas.
    await btrfs("qgroup", "create", group, this.#root).catch((error) => {
      if (!(error instanceof ExecError)) throw error;
    });
    await btrfs("qgroup", "limit", sizeBytes === 0 ? "none" : `${sizeBytes}`, group, this.#root);
  }

  /** undefined: no quotas, nothing is counted. Written data counts once it is on disk. */
  async usage(path: HostPath): Promise<GroupUsage | undefined> {
    if (!await this.isOn()) return undefined;
    let text: string;
    try {
      text = await btrfs("qgroup", "show", "--sync", "-f", "-r", "--raw", path);
    } catch (error) {
      this.#isOn = undefined;
      if (await this.isOn()) throw error;
      return undefined; // Somebody switched them off.
    }
    return parseGroup(text, `0/${await subvolumeId(path)}`);
  }

  async limitOf(path: HostPath): Promise<number> {
    return (await this.usage(path))?.limitBytes ?? 0;
  }
}

/** A line of `btrfs qgroup show -r --raw`: id, referenced, exclusive, limit. Pure. */
export function parseGroup(text: string, group: string): GroupUsage | undefined {
  for (const line of text.split("\n")) {
    const [id, referenced, exclusive, limit] = line.trim().split(/\s+/);
    if (id !== group) continue;
    return {
      referencedBytes: Number(referenced),
      exclusiveBytes: Number(exclusive),
      limitBytes: Number(limit) || 0,
    };
  }
  return undefined;
}
