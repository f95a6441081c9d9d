/** What the file system of a pool can do, found out by doing it once. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { attachTree, cloneTree, detach, idmapTree, mountOverlay } from "#ffi/libc/mount.ts";
import type { UserNamespaces } from "#daemon/storage/user_namespaces.ts";

export interface PoolAbilities {
  /** Idmapped mounts of plain directories. */
  readonly idmap: boolean;
  /** Idmapped layers and uppers of an overlay. */
  readonly overlay: boolean;
  /** Why not, in the kernel's words. */
  readonly reason: string;
}

const MAP = [{ isUid: true, isGid: true, nsId: 0, hostId: 1_000_000, size: 65_536 }];

export async function probePool(
  root: HostPath,
  namespaces: UserNamespaces,
): Promise<PoolAbilities> {
  const base = hostPath(`${root}/.probe-${crypto.randomUUID()}`);
  const target = hostPath(`${base}/rootfs`);
  for (const part of ["lower", "top/upper", "top/work", "rootfs"]) {
    await Deno.mkdir(`${base}/${part}`, { recursive: true });
  }
  let reason = "";
  const attempt = async (run: () => Promise<void> | void): Promise<boolean> => {
    try {
      await run();
      return true;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
      return false;
    } finally {
      while (detach(target));
    }
  };
  try {
    const isDisabled = Deno.env.get("LXD_IDMAPPED_MOUNTS_DISABLE") !== undefined;
    const idmap = !isDisabled && await attempt(async () => {
      using tree = cloneTree(`${base}/lower`);
      idmapTree(tree, await namespaces.lower(MAP));
      attachTree(tree, target);
    });
    const overlay = idmap && await attempt(async () =>
      mountOverlay({
        lowers: [`${base}/lower`],
        lowerNamespace: await namespaces.lower(MAP),
        upperParent: `${base}/top`,
        upperNamespace: await namespaces.upper(MAP),
        target,
      })
    );
    return { idmap, overlay, reason };
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}
