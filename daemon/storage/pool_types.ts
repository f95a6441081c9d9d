/** All kinds of pools, in the order in which `lxd init` offers them. */
import { Fault, type FaultKind } from "#base/errors.ts";
import { suggest } from "#base/suggest.ts";
import { btrfsPool } from "./btrfs/pool.ts";
import { dirPool } from "./dir/pool.ts";
import { lvmPool } from "./lvm/pool.ts";
import type { PoolType } from "./pool_type.ts";
import { zfsPool } from "./zfs/pool.ts";

const POOL_TYPES: readonly PoolType[] = [dirPool, btrfsPool, lvmPool, zfsPool];

/** Drivers of LXD that need a cluster of storage servers. */
const REMOTE = ["ceph", "cephfs", "cephobject"];

/** @throws {Fault} bad_request for a driver that is none, or none of ours */
export function poolType(driver: string): PoolType {
  if (driver === "") throw new Fault("bad_request", "No driver provided");
  const found = POOL_TYPES.find(({ name }) => name === driver);
  if (found !== undefined) return found;
  const names = POOL_TYPES.map(({ name }) => name);
  if (REMOTE.includes(driver)) {
    throw new Fault("bad_request", `Storage driver "${driver}" is not supported by this server`, {
      hint: `Use one of ${names.join(", ")}.`,
    });
  }
  const near = suggest(driver, names);
  throw new Fault("bad_request", `Unknown storage driver "${driver}"`, {
    hint: near === undefined ? `Use one of ${names.join(", ")}.` : `Did you mean "${near}"?`,
  });
}

/** The same if it works on this host. @throws {Fault} of the given kind, saying what is missing */
export async function usablePoolType(
  driver: string,
  kind: FaultKind = "bad_request",
): Promise<PoolType> {
  const type = poolType(driver);
  const support = await type.probe();
  if ("version" in support) return type;
  throw new Fault(kind, `Storage driver "${driver}" is not available: ${support.reason}`, {
    hint: support.hint,
  });
}

export interface SupportedDriver {
  readonly name: string;
  readonly version: string;
}

/** A tool that is installed while the daemon runs is seen after this time. */
const PROBE_KEEP_MS = 60_000;

/** Asks which drivers work on this host, and remembers the answer for a while. */
export function createSupport(): () => Promise<readonly SupportedDriver[]> {
  let known: Promise<readonly SupportedDriver[]> | undefined;
  let knownAt = 0;
  return () => {
    if (known === undefined || performance.now() - knownAt > PROBE_KEEP_MS) {
      knownAt = performance.now();
      known = probeAll();
    }
    return known;
  };
}

async function probeAll(): Promise<SupportedDriver[]> {
  const probed = await Promise.all(POOL_TYPES.map(async ({ name, probe }) => {
    const support = await probe();
    return "version" in support ? [{ name, version: support.version }] : [];
  }));
  return probed.flat();
}
