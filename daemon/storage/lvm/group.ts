/** Commands on one volume group. @see lvm(8) */
import { type HostPath, hostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import { LockTable } from "#base/lock.ts";
import { run } from "#daemon/host/run.ts";
import type { PoolSpace } from "#daemon/storage/driver.ts";
import { checkSpace } from "#daemon/storage/space.ts";

/** Sizes are whole extents of at most this; the default of LVM. */
const EXTENT_BYTES = 4 * 2 ** 20;

export interface LogicalVolume {
  readonly name: string;
  readonly sizeBytes: number;
  /** Share of a thin volume or snapshot that is filled, 0 to 100. */
  readonly dataPercent: number;
}

/** Failures of LVM come as Faults in its own words. */
export class VolumeGroup {
  readonly name: string;
  /** undefined: volumes are made in the group itself. */
  readonly thinPool: string | undefined;
  /** LVM locks the group itself; in this order its commands don't wait for each other in vain. */
  readonly #locks = new LockTable();

  constructor(name: string, thinPool: string | undefined) {
    this.name = name;
    this.thinPool = thinPool;
  }

  device(lv: string): HostPath {
    return hostPath(`/dev/${this.name}/${lv}`);
  }

  async #run(...argv: readonly string[]): Promise<string> {
    using _turn = await this.#locks.acquire("group");
    return await lvm(...argv);
  }

  async create(lv: string, sizeBytes: number, options: readonly string[] = []): Promise<void> {
    const size = `${roundUp(sizeBytes)}b`;
    const common = ["--yes", "--name", lv, ...options];
    // A thin one takes what is written to it, a thick one all of its size at once.
    if (this.thinPool === undefined) {
      checkSpace(await this.space(), roundUp(sizeBytes), "make the logical volume");
    }
    await (this.thinPool === undefined
      ? this.#run("lvcreate", "--wipesignatures", "y", ...common, "--size", size, this.name)
      : this.#run(
        ...["lvcreate", ...common, "--thin", "--virtualsize", size],
        `${this.name}/${this.thinPool}`,
      ));
  }

  /** A snapshot; a thin one is a volume of its own. */
  async snapshot(source: string, lv: string, options: SnapshotOptions): Promise<void> {
    const { isReadOnly, still } = options;
    const extents = this.thinPool === undefined ? ["--extents", "100%ORIGIN"] : [];
    await this.#run(
      ...(still === undefined ? [] : [...FROZEN, still]),
      ...["lvcreate", "--yes", "--snapshot", "--setactivationskip", "n", "--name", lv, ...extents],
      ...["--permission", isReadOnly ? "r" : "rw", `${this.name}/${source}`],
    );
  }

  async remove(lv: string): Promise<void> {
    await this.#run("lvremove", "--yes", "--force", `${this.name}/${lv}`);
  }

  async rename(lv: string, newName: string): Promise<void> {
    await this.#run("lvrename", this.name, lv, newName);
  }

  async resize(lv: string, sizeBytes: number): Promise<void> {
    await this.#run(
      ...["lvresize", "--yes", "--force", "--size", `${roundUp(sizeBytes)}b`],
      `${this.name}/${lv}`,
    );
  }

  async setWritable(lv: string, isWritable: boolean): Promise<void> {
    await this.#run("lvchange", "--permission", isWritable ? "rw" : "r", `${this.name}/${lv}`);
  }

  /** So that it has a device. */
  async activate(lv: string): Promise<void> {
    if (await Deno.stat(this.device(lv)).then(() => true, () => false)) return;
    await this.#run("lvchange", "--activate", "y", "--ignoreactivationskip", `${this.name}/${lv}`);
  }

  /** With its snapshots. Nobody may use them. */
  async deactivate(lv: string): Promise<void> {
    await this.#run("lvchange", "--activate", "n", `${this.name}/${lv}`);
  }

  /** Has it snapshots that are kept as what differs from it? Thin ones are not. */
  async isOrigin(lv: string): Promise<boolean> {
    if (this.thinPool !== undefined) return false;
    const path = `${this.name}/${lv}`;
    const attributes = await lvm("lvs", "--noheadings", "--options", "lv_attr", path);
    return attributes.trim().startsWith("o");
  }

  /** Visible volumes of the group, without its thin pool. */
  async list(): Promise<LogicalVolume[]> {
    const out = await lvm(
      ...["lvs", "--noheadings", "--nosuffix", "--units", "b", "--separator", "|"],
      ...["--options", "lv_name,lv_size,data_percent,snap_percent", this.name],
    );
    return out.split("\n").map((line) => line.trim().split("|")).filter(([name = ""]) =>
      name !== "" && name !== this.thinPool
    ).map(([name = "", size, data, snap]) => ({
      name,
      sizeBytes: Number(size),
      dataPercent: Number(data || snap || 100),
    }));
  }

  async hasThinPool(): Promise<boolean> {
    const own = ["--select", `lv_name=${this.thinPool ?? ""}`, this.name];
    return (await lvm("lvs", "--noheadings", "--options", "lv_name", ...own)).trim() !== "";
  }

  /** Are there volumes in its thin pool, whosever? */
  async hasThinVolumes(): Promise<boolean> {
    const own = ["--select", `pool_lv=${this.thinPool ?? ""}`, this.name];
    return (await lvm("lvs", "--noheadings", "--options", "lv_name", ...own)).trim() !== "";
  }

  async space(): Promise<PoolSpace> {
    const counts = { inodesUsed: 0, inodesTotal: 0 };
    const columns = ["--noheadings", "--nosuffix", "--units", "b", "--separator", "|"];
    if (this.thinPool !== undefined) {
      const pool = `${this.name}/${this.thinPool}`;
      const out = await lvm("lvs", ...columns, "--options", "lv_size,data_percent", pool);
      const [total = 0, percent = 0] = out.trim().split("|").map(Number);
      const usedBytes = Math.round(total * percent / 100);
      return { usedBytes, totalBytes: total, freeBytes: total - usedBytes, ...counts };
    }
    const out = await lvm("vgs", ...columns, "--options", "vg_size,vg_free", this.name);
    const [total = 0, free = 0] = out.trim().split("|").map(Number);
    return { usedBytes: total - free, totalBytes: total, freeBytes: free, ...counts };
  }

  async has(lv: string): Promise<boolean> {
    return await this.find(lv) !== undefined;
  }

  async find(lv: string): Promise<LogicalVolume | undefined> {
    return (await this.list()).find(({ name }) => name === lv);
  }
}

/**
 * A program that runs while the file system on $0 is frozen. It is thawed by a process of its own, which
 * outlives the daemon. @see fsfreeze(8)
 */
const FROZEN = [
  ...["sh", "-c"],
  `trap 'exit 143' TERM INT HUP; fsfreeze --freeze "$0" || exit; ` +
  `trap 'fsfreeze --unfreeze "$0"' EXIT; "$@"`,
] as const;

interface SnapshotOptions {
  readonly isReadOnly: boolean;
  /** Where the source is mounted, if it must be frozen: LVM does that itself for all but btrfs. */
  readonly still?: HostPath | undefined;
}

/** Where no udev runs (containers, small VMs) LVM makes the nodes of its devices itself. */
const WITHOUT_UDEV = "activation { udev_sync=0 udev_rules=0 monitoring=0 }";

/** Run a command of LVM. @throws {Fault} no_space if that is why it failed. */
export async function lvm(...argv: readonly string[]): Promise<string> {
  try {
    const hasUdev = await Deno.stat("/run/udev/control").then(() => true, () => false);
    const config = hasUdev ? [] : ["--config", WITHOUT_UDEV];
    return await run([...argv, ...config]);
  } catch (error) {
    const isFull = error instanceof ExecError &&
      /insufficient free space|Not enough free|reached threshold|out of data space/i
        .test(error.stderrTail);
    if (!isFull) throw error;
    throw new Fault("no_space", "no space left in the volume group of the storage pool", {
      cause: error,
    });
  }
}

/** Bytes, to whole extents of 4 MiB. */
export function roundUp(bytes: number): number {
  return Math.ceil(bytes / EXTENT_BYTES) * EXTENT_BYTES;
}
